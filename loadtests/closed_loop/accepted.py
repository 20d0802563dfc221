"""The jobs that the gateway accepted in a run, and the wait for their end, by `GET /v1/jobs` of the API key."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from urllib.parse import urlencode
from uuid import UUID

import httpx

from loadtests.errors import HarnessError
from loadtests.job_answers import read_state
from loadtests.jobs import JobState
from loadtests.mix.sender import repeat

#: Ids that are kept: about 100 MB. Later ones are counted, and the summary says that they were not checked.
MAX_IDS = 1_000_000
_PAGE = 200
_AGAIN_SECONDS = 1.0
#: Lists between two lines about the wait.
_TELL_EVERY = 5
#: The ends that are no failure; a sealed batch ends as `finished`.
_GOOD = frozenset({JobState.SUCCEEDED, "finished"})
_OPEN = frozenset({JobState.WAITING, JobState.UNTOLD, "open", "sealed", "revoking"})
#: Lists the jobs and batches of a run, each with its state.
Listing = Callable[[], Iterable[tuple[UUID, str]]]


@dataclass(slots=True)
class Accepted:
    """Ids of accepted jobs and of sealed batches, at most `most` of them."""

    most: int = MAX_IDS
    jobs: set[UUID] = field(default_factory=set)
    batches: set[UUID] = field(default_factory=set)
    unchecked: int = 0

    def add(self, *, jobs: Iterable[str] = (), batches: Iterable[str] = ()) -> None:
        """Keep these, as far as there is room."""
        for kept, new in ((self.jobs, jobs), (self.batches, batches)):
            for each in new:
                if len(self) < self.most:
                    kept.add(UUID(each))
                else:
                    self.unchecked += 1

    def __len__(self) -> int:
        """How many there are to check."""
        return len(self.jobs) + len(self.batches)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What became of all that was accepted."""

    #: How many ended in which state.
    ended: Counter[str]
    #: Those that are listed and have not ended; those that are not listed.
    waiting: int
    missing: int
    unchecked: int
    waited_seconds: float
    #: Why the rest is not known.
    error: str = ""

    @property
    def ok(self) -> bool:
        """All of it ended well."""
        return not self.waiting and not self.missing and not self.error and self.ended.keys() <= _GOOD

    def __str__(self) -> str:
        """One sentence."""
        total = self.ended.total() + self.waiting + self.missing
        parts = [f"{count:,} {state}" for state, count in self.ended.most_common()]
        parts += [f"{self.waiting:,} not ended after {self.waited_seconds:.0f} s"] if self.waiting else []
        parts += [f"{self.missing:,} not in GET /v1/jobs"] if self.missing else []
        parts += [f"{self.unchecked:,} more not checked"] if self.unchecked else []
        told = f" The gateway did not tell all of it: {self.error}." if self.error else ""
        return f"{total:,} jobs and batches accepted: {', '.join(parts) or 'nothing to check'}.{told}"


def listing(client: httpx.Client, accepted: Accepted, since: datetime, *, patience_seconds: float) -> Listing:
    """Ask the gateway: the key's jobs since then, newest first, and each of the batches."""

    def get(path: str) -> dict[str, object]:
        return repeat(client, "GET", path, patience_seconds=patience_seconds)

    def pages() -> Iterator[tuple[UUID, str]]:
        parameters = {"accepted_after": since.isoformat(), "limit": str(_PAGE)}
        while accepted.jobs:
            page = get(f"/v1/jobs?{urlencode(parameters)}")
            jobs: list[dict[str, str]] = page["jobs"]  # type: ignore[assignment]
            yield from ((UUID(job["job_id"]), read_state(job["state"])) for job in jobs)
            if page["next"] is None:
                break
            parameters["cursor"] = str(page["next"])
        yield from ((batch, str(get(f"/v1/batches/{batch}")["state"])) for batch in accepted.batches)

    return pages


def await_ends(
    accepted: Accepted,
    listed: Listing,
    *,
    bound_seconds: float,
    tell: Callable[[str], object],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Ends:
    """List again and again until all have ended, or the bound is reached."""
    began = clock()
    rest, seen, ended = accepted.jobs | accepted.batches, set[UUID](), Counter[str]()
    error = ""
    for turn in count():
        try:
            for each, state in listed():
                if each in rest:
                    seen.add(each)
                    if state not in _OPEN:
                        rest.discard(each)
                        ended[str(state)] += 1
        except HarnessError as refused:
            error = refused.detail
        if error or not rest or clock() - began >= bound_seconds:
            break
        if turn % _TELL_EVERY == 0:
            tell(f"{len(rest):,} of {len(accepted):,} accepted jobs and batches have not ended yet.")
        sleep(_AGAIN_SECONDS)
    waiting = len(rest & seen)
    return Ends(
        ended=ended, waiting=waiting, missing=len(rest) - waiting, unchecked=accepted.unchecked,
        waited_seconds=clock() - began, error=error,
    )  # fmt: skip
