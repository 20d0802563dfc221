"""`count_primes`: hours of arithmetic, in steps. A task with checkpoints to copy (docs/patterns/tasks-in-steps.md)."""

from __future__ import annotations

from math import isqrt
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app import contract
from app.kinds import Transaction
from app.patterns.steps import in_steps

#: Numbers in a step: milliseconds to a second of work, so that little is done again after a kill.
_NUMBERS = 100_000


class Range(BaseModel):
    """A request for the number of primes below a number."""

    model_config = ConfigDict(extra="forbid")

    range_id: UUID
    below: int = Field(ge=0, le=10**10)


class Position(BaseModel):
    """The state after a step. Each member has a default, because the first step gets `Position()`."""

    next: int = 2
    primes: int = 0


_TABLE = "CREATE TABLE IF NOT EXISTS tasks.prime_counts (range_id uuid NOT NULL, below bigint, primes bigint)"


@in_steps(slice_seconds=20, queue=contract.EVENT_LIST_QUEUE, key="range_id", http=True, schema=_TABLE)
def count_primes(job: Range, position: Position, tx: Transaction) -> Position | None:
    """Do one step and return the state for the next one. What `tx` writes commits with the checkpoint."""
    end = min(position.next + _NUMBERS, job.below)
    found = position.primes + primes_between(position.next, end)
    if end < job.below:
        return Position(next=end, primes=found)
    row = {"range_id": job.range_id, "below": job.below, "primes": found}
    tx.execute("INSERT INTO tasks.prime_counts VALUES (:range_id, :below, :primes)", row)
    return None


def primes_between(begin: int, end: int) -> int:
    """How many primes there are from `begin`, which is 2 or more, to below `end`: a sieve of the numbers between."""
    if end <= begin:
        return 0
    is_prime = bytearray([1]) * (end - begin)
    for factor in range(2, isqrt(end - 1) + 1):
        first = max(factor * factor, -(-begin // factor) * factor)
        is_prime[first - begin :: factor] = bytes(len(range(first - begin, end - begin, factor)))
    return is_prime.count(1)
