"""Members and bodies that leave a row each time they run."""

from __future__ import annotations

import time
from contextlib import suppress

from celery import shared_task
from pydantic import BaseModel
from sqlalchemy import text

from app.kinds import PoisonError, Transaction, at_least_once, once
from app.storage.engine import engine

_PART = "INSERT INTO tasks.parts VALUES (:chord, :number)"
#: A test lets members from this number on go when it has broken what it breaks.
_HELD = "SELECT 1 FROM tasks.held WHERE chord = :chord AND since <= :number"
_END = "INSERT INTO tasks.ends VALUES (:chord, :what, :parts, :total)"


@once()
def part(chord: str, number: int, tx: Transaction) -> int:
    """A member with an effect; number -1 fails for good."""
    if number < 0:
        raise PoisonError("a member that can never run")
    while tx.execute(_HELD, {"chord": chord, "number": number}).first():
        time.sleep(0.05)
    tx.execute(_PART, {"chord": chord, "number": number})
    return number


@at_least_once(soft_time_limit=1, time_limit=2)
def overruns() -> None:
    """A member that only the hard limit ends, and the worker's main process reports."""
    while True:
        with suppress(Exception):
            time.sleep(60)


@once()
def end_once(results: list[int], chord: str, tx: Transaction) -> None:
    """A body that runs once."""
    tx.execute(_END, {"chord": chord, "what": "once", "parts": len(results), "total": sum(results)})


@at_least_once()
def end(results: list[int], chord: str) -> None:
    """A body that shows how often it was sent."""
    _end(chord, "plain", results)


@shared_task(name="chord_failed")
def failed(request: object, error: object, traceback: object, chord: str) -> None:  # noqa: ARG001 - Celery's
    """The chord's errback: Celery calls it in the member that ends the chord."""
    _end(chord, f"failed: {error}", [])


@once(result="postgresql")
def lasting(number: int, tx: Transaction) -> int:
    """A result that lasts."""
    return int(tx.execute("SELECT cast(:number AS int)", {"number": number}).scalar_one())


@at_least_once(result="redis")
def passing(number: int) -> int:
    """A result for a day."""
    return number


class Number(BaseModel):
    """An item; a negative one fails for good."""

    name: str
    number: int


@once(http=True, key="name", result="postgresql")
def double(item: Number, tx: Transaction) -> int:
    """Return twice the number; PostgreSQL keeps the result."""
    return int(tx.execute("SELECT cast(:number AS int)", {"number": _checked(item)}).scalar_one()) * 2


@at_least_once(http=True, result="redis")
def repeat(item: Number) -> str:
    """Return a text whose length is the number; Redis keeps it for a day."""
    return "x" * _checked(item)


def _checked(item: Number) -> int:
    if item.number < 0:
        raise PoisonError("a number that can never work")
    return item.number


def _end(chord: str, what: str, results: list[int]) -> None:
    with engine().begin() as connection:
        connection.execute(text(_END), {"chord": chord, "what": what, "parts": len(results), "total": sum(results)})
