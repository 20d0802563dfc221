"""The wait for the ends of what was accepted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
import pytest

from loadtests.closed_loop.accepted import Accepted, Ends, Listing, await_ends, listing
from loadtests.errors import HarnessError
from loadtests.jobs import JobState


def _ends(accepted: Accepted, listed: Listing, *, bound_seconds: float = 3) -> Ends:
    now = iter(range(100))
    return await_ends(
        accepted, listed, bound_seconds=bound_seconds, tell=lambda _: None,
        clock=lambda: float(next(now)), sleep=lambda _: None,
    )  # fmt: skip


def _accepted(*jobs: UUID) -> Accepted:
    accepted = Accepted()
    accepted.add(jobs=map(str, jobs))
    return accepted


def test_a_job_that_is_lost_and_one_that_waits_are_told_apart() -> None:
    """Either makes the run red."""
    done, waits, lost = uuid4(), uuid4(), uuid4()

    ends = _ends(_accepted(done, waits, lost), lambda: [(done, JobState.SUCCEEDED), (waits, JobState.WAITING)])

    assert (dict(ends.ended), ends.waiting, ends.missing, ends.ok) == ({"succeeded": 1}, 1, 1, False)
    assert "1 succeeded, 1 not ended after" in str(ends)
    assert "1 not in GET /v1/jobs" in str(ends)


@pytest.mark.parametrize("state", [state for state in JobState if state not in {JobState.WAITING, JobState.UNTOLD}])
def test_only_success_is_a_good_end(state: JobState) -> None:
    """Whatever else became of a job, the run is red and says so."""
    job = uuid4()

    ends = _ends(_accepted(job), lambda: [(job, state)])

    assert ends.ok is (state is JobState.SUCCEEDED)
    assert f"1 {state}" in str(ends)


def test_jobs_that_end_later_are_awaited() -> None:
    """The wait ends with the last job."""
    job = uuid4()
    states = iter([JobState.WAITING, JobState.UNTOLD, JobState.SUCCEEDED])

    assert _ends(_accepted(job), lambda: [(job, next(states))], bound_seconds=50).ok


def test_a_gateway_that_does_not_answer_leaves_jobs_untold() -> None:
    """It is an error of the run, in one sentence."""

    def refused() -> Iterator[tuple[UUID, str]]:
        raise HarnessError("GET /v1/jobs: no answer in 5 s")

    ends = _ends(_accepted(uuid4()), refused)

    assert not ends.ok
    assert "did not tell all of it: GET /v1/jobs: no answer in 5 s" in str(ends)


def test_pages_and_batches_are_read() -> None:
    """A page names the next one; a batch has an address of its own."""
    first, second, batch = uuid4(), uuid4(), uuid4()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/v1/batches"):
            return httpx.Response(200, json={"state": "finished"})
        is_second = request.url.params.get("cursor") == "more"
        jobs = [{"job_id": str(second if is_second else first), "state": "succeeded" if is_second else "running"}]
        return httpx.Response(200, json={"jobs": jobs, "next": None if is_second else "more"})

    accepted = _accepted(first, second)
    accepted.add(batches=[str(batch)])
    with httpx.Client(base_url="https://gateway", transport=httpx.MockTransport(answer)) as client:
        listed = list(listing(client, accepted, datetime.now(UTC), patience_seconds=1)())

    assert listed == [(first, JobState.WAITING), (second, JobState.SUCCEEDED), (batch, "finished")]


def test_ids_are_bounded_and_the_rest_is_counted() -> None:
    """Memory is bounded, and the summary says what was not checked."""
    accepted = Accepted(most=2)
    accepted.add(jobs=(str(uuid4()) for _ in range(4)), batches=[str(uuid4())])

    assert (len(accepted), accepted.unchecked) == (2, 3)
    assert "3 more not checked" in str(_ends(accepted, lambda: [(job, JobState.SUCCEEDED) for job in accepted.jobs]))
