"""Growing delays, patience with a database that is away, and with a worker of another release."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given, strategies as st
from psycopg.errors import QueryCanceled
from sqlalchemy.exc import DataError, OperationalError

from app import contract
from app.errors import DependencyAwayError
from app.kinds.evidence import MOST_RETRIES
from app.kinds.retries import MAX_DELAY_SECONDS, retry_delay_seconds, wait_out, waits_for_release


def away() -> OperationalError:
    """What a refused connection raises."""
    return OperationalError("SELECT 1", {}, psycopg.OperationalError("connection refused"))


@given(retries=st.integers(0, MOST_RETRIES), base=st.floats(0.01, 100), jitter=st.floats(0, 1, exclude_max=True))
def test_delays_are_whole_seconds_within_bounds(retries: int, base: float, jitter: float) -> None:
    """The delay ladder knows whole seconds only, and raises on less than one."""
    delay = retry_delay_seconds(retries, base_seconds=base, jitter=lambda: jitter)

    assert isinstance(delay, int)
    assert 1 <= delay <= round(MAX_DELAY_SECONDS * 1.5)


def test_delays_grow_and_are_spread() -> None:
    """Each delay doubles, plus or minus half of it."""
    shortest = [retry_delay_seconds(n, base_seconds=2, jitter=lambda: 0.0) for n in range(5)]
    longest = [retry_delay_seconds(n, base_seconds=2, jitter=lambda: 0.999) for n in range(5)]

    assert shortest == [1, 2, 4, 8, 16]
    assert longest == [3, 6, 12, 24, 48]


def test_an_outage_that_ends_is_not_noticed_by_the_task() -> None:
    """The body runs again until the database answers."""
    calls = iter([away(), away(), None])

    def body() -> str:
        if (error := next(calls)) is not None:
            raise error
        return "stored"

    assert wait_out(body, patience_seconds=30) == "stored"


def test_an_outage_that_lasts_is_told_apart_from_a_failure() -> None:
    """After the patience is spent the caller parks the message instead of failing it."""

    def body() -> None:
        raise away()

    with pytest.raises(DependencyAwayError):
        wait_out(body, patience_seconds=0.01)


@pytest.mark.parametrize(
    "error",
    [
        DataError("INSERT", {}, psycopg.DataError("bad")),
        OperationalError("UPDATE", {}, QueryCanceled("canceling statement due to statement timeout")),
    ],
)
def test_what_costs_an_attempt_is_not_waited_out(error: Exception) -> None:
    """The same bytes would fail the same way; a statement that is too slow has had its try (A11, BR-39)."""
    calls: list[int] = []

    def body() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        wait_out(body, patience_seconds=0.3)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("form", "known", "waits"),
    [
        ("theirs", "ours", True),
        ("theirs", None, True),
        ("ours", "ours", False),
        (None, None, False),
        (None, "ours", False),
    ],
)
def test_a_message_waits_for_another_release_if_its_sender_knew_another_form(
    form: str | None, known: str | None, waits: bool
) -> None:
    """The same form is poison here and everywhere; a sender that says nothing is none of ours."""
    assert waits_for_release({contract.MESSAGE_FORM: form}, form_id=known) is waits


def test_patience_with_another_release_ends() -> None:
    """A release that never comes must not keep its messages going round."""
    headers = {contract.MESSAGE_FORM: "theirs", contract.MESSAGE_RELEASE_SINCE: 1.0}
    assert not waits_for_release(headers, form_id="ours")
