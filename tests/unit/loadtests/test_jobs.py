"""A job's state follows from what its events did, whoever tells it."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from app.storage import job_state
from loadtests.job_answers import SAMPLE, answers, read_state, sample
from loadtests.jobs import JobState, compare, state_of
from loadtests.synthetic import Request, make_run


@pytest.mark.parametrize(
    ("executed", "dead", "discarded", "state"),
    [
        (0, 0, 0, JobState.WAITING),
        (1, 1, 0, JobState.WAITING),
        (3, 0, 0, JobState.SUCCEEDED),
        (1, 2, 0, JobState.PARTIALLY_FAILED),
        (2, 0, 1, JobState.PARTIALLY_FAILED),
        (0, 2, 1, JobState.DEAD_LETTERED),
        (0, 0, 3, JobState.DISCARDED),
    ],
)
def test_a_state_follows_from_counts(executed: int, dead: int, discarded: int, state: JobState) -> None:
    """As the documentation says, without asking the application."""
    assert state_of(events=3, executed=executed, dead=dead, discarded=discarded) is state


@pytest.mark.parametrize("said", job_state.JobState)
def test_every_word_of_the_gateway_is_understood(said: str) -> None:
    """A new state of a job must be known here too."""
    assert read_state(said) is not JobState.UNTOLD


@pytest.mark.parametrize("said", ["done", "", None])
def test_another_word_is_none(said: str | None) -> None:
    """It differs from whatever the events did."""
    assert read_state(said) is JobState.UNTOLD


def test_a_list_that_died_in_part_says_so() -> None:
    """Some executed, the rest dead: neither succeeded nor dead."""
    history, seen = make_run([Request(events=3)])
    gone = seen.effects[0].event_id
    job_id, row = next(iter(seen.jobs.items()))

    def wrong(state: JobState) -> tuple[str, ...]:
        stored = {job_id: replace(row, state=state)}
        return compare(history, stored, {}, executed=lambda one: one != gone, dead=lambda one: one == gone).wrong

    assert wrong(JobState.PARTIALLY_FAILED) == ()
    assert wrong(JobState.SUCCEEDED) == wrong(JobState.DEAD_LETTERED) == wrong(JobState.WAITING) == (job_id,)


@pytest.mark.parametrize("jobs", [0, 1, SAMPLE, SAMPLE + 1, 10 * SAMPLE + 7])
def test_a_sample_is_bounded_and_spread(jobs: int) -> None:
    """All of a few; of many, some from everywhere, the last one among them."""
    ids = [str(number) for number in range(jobs)]
    taken = sorted(map(int, sample(ids)))

    assert len(taken) == len(set(taken)) <= SAMPLE
    assert len(taken) >= min(jobs, SAMPLE // 2)
    assert taken[-1:] == ([jobs - 1] if jobs else [])


@pytest.mark.parametrize(
    ("answers_given", "state"),
    [
        ([(200, {"state": "succeeded"})], JobState.SUCCEEDED),
        ([(200, {"state": "retrying"})], JobState.WAITING),
        ([(404, {}), (200, {"state": "succeeded"})], JobState.UNTOLD),
        ([(429, {}), (503, {}), (200, {"state": "succeeded"})], JobState.SUCCEEDED),
        ([(503, {})] * 3, JobState.UNTOLD),
    ],
)
def test_the_gateway_is_asked_until_it_says(answers_given: list[tuple[int, dict[str, str]]], state: JobState) -> None:
    """A limit or a restart passes; a job that is not there, or a gateway that stays silent, is a finding."""
    given = iter(answers_given)
    again = Retrying(stop=stop_after_attempt(3), retry=retry_if_exception_type(httpx.HTTPError))

    def answer(_: httpx.Request) -> httpx.Response:
        status, body = next(given)
        return httpx.Response(status, json=body)

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="https://gateway") as client:
        assert answers(client, ["job-1"], again) == {"job-1": state}
