"""What `GET /v1/jobs` may be asked."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import UUID

import httpx
import pytest
from hypothesis import given, strategies as st

from app import contract
from app.gateway import job_list
from app.gateway.job_list import Page
from app.gateway.job_query import LIMIT_DEFAULT, LIMIT_MAX, JobQuery, to_cursor
from app.storage.job_state import JobState
from tests.unit.app.gateway.conftest import Ask, pointers

JOB_ID = UUID("01a204a5-d87f-7548-9a59-586fe4c89fba")
TASK = contract.TASK_INGEST_EVENT

#: Reads a query; of one that is refused the answer.
Read = Callable[[str], JobQuery | httpx.Response]


@pytest.fixture
def read(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Returns what reads a query as the route does."""
    found: list[JobQuery] = []

    async def note(_: object, query: JobQuery, **__: object) -> Page:
        found.append(query)
        return Page(jobs=[], next_after=None)

    monkeypatch.setattr(job_list, "read", note)

    def send(query: str) -> JobQuery | httpx.Response:
        found.clear()
        answer = ask("GET", f"/v1/jobs?{query}")
        return found[0] if found else answer

    return send


def test_nothing_asked_is_everything(read: Read) -> None:
    """A page of the usual length."""
    query = read("")
    assert isinstance(query, JobQuery)
    assert (query.task, query.state, query.cursor, query.limit) == (None, None, None, LIMIT_DEFAULT)


def test_each_parameter_is_read(read: Read) -> None:
    """Times with any offset are one moment."""
    query = read(
        f"task={TASK}&state=revoked&accepted_after=2026-11-29T12:00:00%2B02:00&accepted_before=2026-11-29t12:00:00.5z"
        f"&limit={LIMIT_MAX}"
    )

    assert isinstance(query, JobQuery)
    assert (query.task, query.state, query.limit) == (TASK, JobState.REVOKED, LIMIT_MAX)
    assert query.accepted_after == datetime(2026, 11, 29, 10, tzinfo=UTC)
    assert query.accepted_before == datetime(2026, 11, 29, 12, microsecond=500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("tusk=mail", "tusk"),
        ("task=nobody", "task"),
        ("task=", "task"),
        ("state=Revoked", "state"),
        ("state=", "state"),
        ("accepted_after=yesterday", "accepted_after"),
        ("accepted_after=1700000000", "accepted_after"),
        ("accepted_after=2026-11-29", "accepted_after"),
        ("accepted_after=2026-11-29T12:00:00", "accepted_after"),
        ("accepted_after=2026-11-29T12:00:00+02:00", "accepted_after"),
        ("accepted_before=2026-02-30T12:00:00Z", "accepted_before"),
        ("accepted_before=0001-01-01T00:00:00%2B02:00", "accepted_before"),
        ("limit=0", "limit"),
        (f"limit={LIMIT_MAX + 1}", "limit"),
        ("limit=1_0", "limit"),
        ("limit=%205", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=", "cursor"),
        ("cursor=AAAA", "cursor"),
        ("cursor=é", "cursor"),
        (f"cursor={to_cursor(JOB_ID)}=", "cursor"),
        (f"cursor={urlsafe_b64encode(b'0' * 17).decode()}", "cursor"),
        ("cursor=" + "_" * 22, "cursor"),
    ],
)
def test_a_wrong_parameter_is_named(read: Read, query: str, parameter: str) -> None:
    """422, and where it is, once."""
    answer = read(query)

    assert isinstance(answer, httpx.Response)
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert pointers(answer) == [parameter]


@given(query=st.dictionaries(st.text(), st.text()))
def test_whatever_is_asked_is_read_or_refused(read: Read, query: dict[str, str]) -> None:
    """Any query is read, or refused with a few errors."""
    answer = read(urlencode(query, errors="replace"))

    if isinstance(answer, httpx.Response):
        assert answer.status_code == 422
        assert 0 < len(pointers(answer)) <= min(len(query), 20)


@given(job_id=st.integers(0, 2**76 - 1).map(lambda low: UUID(int=0x019ACE << 104 | low)))
def test_a_cursor_comes_back(read: Read, job_id: UUID) -> None:
    """It is one word of a query, and means the job that it was made of."""
    query = read(f"cursor={to_cursor(job_id)}")

    assert isinstance(query, JobQuery)
    assert query.cursor == job_id
