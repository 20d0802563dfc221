"""Asks the gateway what became of some jobs, as their owner would: `GET /v1/jobs/{job_id}`."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import httpx
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from app import contract
from loadtests.history import History
from loadtests.jobs import JobState, with_job
from loadtests.target import Target

#: Jobs that are asked about, spread over the run: a rule that is wrong is wrong for many. The tables are read for all.
SAMPLE = 200
#: The gateway may limit or restart: until here it is asked again.
_PATIENCE_SECONDS = 30.0
_AGAIN_SECONDS = 1.0
_TIMEOUT_SECONDS = 10.0
#: What the gateway calls a job that is not done.
_WAITING = frozenset({"accepted", "queued", "running", "retrying", "revoking"})


def ask_gateway(target: Target, history: History) -> dict[str, JobState]:
    """Job id to the state that the gateway tells, for a sample of the accepted requests."""
    again = Retrying(
        stop=stop_after_delay(_PATIENCE_SECONDS),
        wait=wait_fixed(_AGAIN_SECONDS),
        retry=retry_if_exception_type(httpx.HTTPError),
    )
    with httpx.Client(
        base_url=target.gateway_url,
        verify=ssl.create_default_context(cafile=str(target.ca_file)),
        headers={contract.HEADER_API_KEY: target.api_key},
        timeout=_TIMEOUT_SECONDS,
        trust_env=False,
    ) as client:
        ids = [attempt.result.job_id for attempt in with_job(history) if attempt.result.job_id]
        return answers(client, sample(ids), again)


def answers(client: httpx.Client, job_ids: Sequence[str], again: Retrying) -> dict[str, JobState]:
    """Each job's state; it ends with the first that the gateway would not tell at all."""
    told: dict[str, JobState] = {}
    for job_id in job_ids:
        try:
            told[job_id] = again(_ask, client, job_id)
        except RetryError:
            return told | {job_id: JobState.UNTOLD}
    return told


def sample(job_ids: Sequence[str]) -> Sequence[str]:
    """At most `SAMPLE` of them, evenly spread, the last one among them."""
    step = max(1, -(-len(job_ids) // SAMPLE))
    return job_ids[::-1][::step]


def _ask(client: httpx.Client, job_id: str) -> JobState:
    response = client.get(f"/v1/jobs/{job_id}")
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
        response.raise_for_status()
    return read_state(response.json().get("state")) if response.is_success else JobState.UNTOLD


def read_state(said: str | None) -> JobState:
    """The state behind the gateway's word for it."""
    if said in _WAITING:
        return JobState.WAITING
    return JobState(said) if said in set(JobState) else JobState.UNTOLD
