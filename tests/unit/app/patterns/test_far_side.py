"""What an answer means, and how long Retry-After makes the task wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from app.errors import FarSideBusyError, PoisonError
from app.patterns.far_side import RETRY_AFTER_MAX_SECONDS, retry_after_seconds, settled


def _answer(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(
        status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        request=httpx.Request("GET", "http://far"),
    )


def test_done_is_done() -> None:
    """Any 2xx is returned."""
    assert settled(_answer(204)).status_code == 204


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_not_now(status: int) -> None:
    """The error says after how long the far side wants to be called."""
    with pytest.raises(FarSideBusyError, match=f"far answers {status}") as error:
        settled(_answer(status, Retry_After="7"))
    assert error.value.after_seconds == 7


@pytest.mark.parametrize("status", [301, 400, 401, 404, 409, 422])
def test_never(status: int) -> None:
    """The same call would be refused again."""
    with pytest.raises(PoisonError):
        settled(_answer(status))


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("0", 0), (" 12 ", 12), ("9" * 40, RETRY_AFTER_MAX_SECONDS), ("-1", 0), ("soon", 0), ("", 0), ("1.5", 0)],
)
def test_seconds(said: str, seconds: float) -> None:
    """Nonsense means no wait; a century is cut to an hour."""
    assert retry_after_seconds(_answer(429, Retry_After=said)) == seconds


def test_a_date() -> None:
    """RFC 9110 allows a date; a past date means no wait."""
    now = datetime.now(UTC)
    later = format_datetime(now + timedelta(seconds=3000), usegmt=True)
    assert 2000 < retry_after_seconds(_answer(503, Retry_After=later)) <= 3000
    assert retry_after_seconds(_answer(503, Retry_After=format_datetime(now - timedelta(days=1), usegmt=True))) == 0
