"""What `GET /v1/jobs` may be asked."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, strategies as st
from starlette.datastructures import QueryParams

from app.gateway.job_query import LIMIT_DEFAULT, LIMIT_MAX, JobQuery, parameters, to_cursor
from app.gateway.problems import ProblemError
from app.storage.job_state import JobState

JOB_ID = UUID("01a204a5-d87f-7548-9a59-586fe4c89fba")
TASKS = ("ingest", "mail")


def ask(query: str) -> JobQuery:
    """Read a query."""
    return JobQuery.of(QueryParams(query), tasks=TASKS)


def test_nothing_asked_is_everything() -> None:
    """A page of the usual length."""
    query = ask("")
    assert (query.task, query.state, query.cursor, query.limit) == (None, None, None, LIMIT_DEFAULT)


def test_each_parameter_is_read() -> None:
    """Times with any offset are one moment."""
    query = ask(
        "task=mail&state=revoked&accepted_after=2026-11-29T12:00:00%2B02:00&accepted_before=2026-11-29t12:00:00.5z"
        f"&limit={LIMIT_MAX}"
    )

    assert (query.task, query.state, query.limit) == ("mail", JobState.REVOKED, LIMIT_MAX)
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
def test_a_wrong_parameter_is_named(query: str, parameter: str) -> None:
    """422, and where it is, once."""
    with pytest.raises(ProblemError) as raised:
        ask(query)

    assert raised.value.kind.status == 422
    assert [error.pointer for error in raised.value.errors] == [parameter]


@given(query=st.dictionaries(st.text(), st.text()))
def test_whatever_is_asked_is_read_or_refused(query: dict[str, str]) -> None:
    """Nothing but a problem is raised, with a few errors at most."""
    errors = 0
    try:
        JobQuery.of(QueryParams(query), tasks=TASKS)
    except ProblemError as problem:
        errors = len(problem.errors)
    assert errors <= min(len(query), 20)


@given(job_id=st.integers(0, 2**76 - 1).map(lambda low: UUID(int=0x019ACE << 104 | low)))
def test_a_cursor_comes_back(job_id: UUID) -> None:
    """It is one word of a query, and means the job that it was made of."""
    assert ask(f"cursor={to_cursor(job_id)}").cursor == job_id


def test_the_document_names_every_parameter() -> None:
    """It is what the model reads, with a type each."""
    described = parameters()

    assert [one["name"] for one in described] == list(JobQuery.model_fields)
    assert all(one["description"] and one["schema"]["type"] in {"string", "integer"} for one in described)
