"""The jobs that a closed-loop run was told are accepted, and the wait for their ends through `GET /v1/jobs`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import httpx

from loadtests.job_answers import read_state
from loadtests.jobs import JobState

#: Ids that are kept: about 100 MB. Later ones are counted, and the summary says that they were not checked.
MAX_JOBS = 1_000_000
_PAGE = 200
_AGAIN_SECONDS = 1.0


@dataclass(slots=True)
class Accepted:
    """Ids of accepted jobs, at most `most` of them."""

    most: int = MAX_JOBS
    ids: set[UUID] = field(default_factory=set)
    unchecked: int = 0

    def add(self, job_ids: Iterable[str]) -> None:
        """Keep these, as far as there is room."""
        for job_id in job_ids:
            if len(self.ids) < self.most:
                self.ids.add(UUID(job_id))
            else:
                self.unchecked += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What became of the accepted jobs."""

    accepted: int
    waiting: int
    missing: int
    unchecked: int

    @property
    def ok(self) -> bool:
        """Nothing accepted is missing or still waiting."""
        return not self.waiting and not self.missing

    def __str__(self) -> str:
        """One line for the log."""
        rest = f", {self.unchecked:,} more were not checked" if self.unchecked else ""
        return f"{self.accepted:,} jobs accepted, {self.waiting:,} still waiting, {self.missing:,} missing{rest}"


def list_jobs(client: httpx.Client, since: datetime) -> Iterator[tuple[UUID, JobState]]:
    """The key's jobs since then, newest first."""
    parameters: dict[str, str | int] = {"accepted_after": since.isoformat(), "limit": _PAGE}
    while True:
        response = client.get("/v1/jobs", params=parameters)
        response.raise_for_status()
        page = response.json()
        for job in page["jobs"]:
            yield UUID(job["job_id"]), read_state(job["state"])
        if page["next"] is None:
            return
        parameters["cursor"] = page["next"]


def await_ends(
    accepted: Accepted,
    listing: Callable[[], Iterable[tuple[UUID, JobState]]],
    *,
    bound_seconds: float,
    tell: Callable[[str], object],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Ends:
    """List the jobs again and again until all have ended, or the bound is reached."""
    open_ids, seen = set(accepted.ids), set[UUID]()
    deadline = clock() + bound_seconds
    while open_ids:
        try:
            for job_id, state in listing():
                if job_id in open_ids:
                    seen.add(job_id)
                    if state not in {JobState.WAITING, JobState.UNTOLD}:
                        open_ids.discard(job_id)
        except httpx.HTTPError as error:
            tell(f"GET /v1/jobs: {error}")
        tell(f"{len(open_ids):,} of {len(accepted.ids):,} accepted jobs have not ended yet")
        if not open_ids or clock() >= deadline:
            break
        sleep(_AGAIN_SECONDS)
    waiting = len(open_ids & seen)
    return Ends(
        accepted=len(accepted.ids), waiting=waiting, missing=len(open_ids) - waiting, unchecked=accepted.unchecked
    )
