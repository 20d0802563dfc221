"""Which of the candidates are a page, and where the next one begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, strategies as st

from app.gateway.job_list import Candidates, _id_at, choose
from app.storage.identifiers import created_at
from app.storage.job_records import Job
from app.storage.job_state import JobRecords, JobState, derive

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(number: int, *, done: bool) -> Job:
    """A job that is succeeded, or still queued."""
    records = JobRecords(keys=["a"], accepted_at=NOW, executed_keys=["a"] if done else [])
    return Job(job_id=UUID(int=number), task_name="t", queue="q", records=records, status=derive(records))


@given(
    done=st.lists(st.booleans(), max_size=30),
    looked_at=st.integers(1, 7),
    limit=st.integers(1, 9),
    state=st.sampled_from([None, JobState.SUCCEEDED, JobState.EXPIRED]),
)
def test_the_pages_together_hold_each_job_once(
    done: list[bool], looked_at: int, limit: int, state: JobState | None
) -> None:
    """Newest first, whatever the page and the bound; and there is an end."""
    everything = [job(number, done=flag) for number, flag in enumerate(done, start=1)][::-1]
    found: list[Job] = []
    after: UUID | None = UUID(int=len(done) + 1)
    pages = 0
    while after is not None:
        older = [one for one in everything if one.job_id < after]
        batch = older[:looked_at]
        ids = [one.job_id for one in batch]
        seen_until = ids[-1] if len(older) > looked_at else None
        page = choose(batch, Candidates(job_ids=ids, seen_until=seen_until), state=state, limit=limit)
        assert len(page.jobs) <= limit
        assert page.next_after is None or page.next_after < after, "the next page begins where this one did"
        found += page.jobs
        after = page.next_after
        pages += 1

    assert found == [one for one in everything if state is None or one.status.state is state]
    assert pages <= len(done) + 1


def test_a_moment_of_any_year_has_an_id() -> None:
    """Ids begin in 1970, and times in the year 1."""
    assert _id_at(datetime(1, 1, 1, tzinfo=UTC), -timedelta(minutes=1), otherwise=UUID(int=7)) == UUID(int=0)
    assert _id_at(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), timedelta(minutes=1), otherwise=UUID(int=7)) > UUID(
        int=2**127
    )
    assert _id_at(None, timedelta(0), otherwise=UUID(int=7)) == UUID(int=7)
    assert created_at(_id_at(NOW, timedelta(minutes=1), otherwise=UUID(int=7))) == NOW + timedelta(minutes=1)
