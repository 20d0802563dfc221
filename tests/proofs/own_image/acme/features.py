"""What a user of Celery writes, once outside a transaction and once inside one. What ran stands in `tasks.seen`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import chain, chord, current_app, group, shared_task
from celery.result import allow_join_result
from pydantic import BaseModel
from sqlalchemy import text

from app.kinds import Transaction, at_least_once, once
from app.storage.engine import engine

_SEEN = "CREATE TABLE IF NOT EXISTS tasks.seen (mark text NOT NULL, word text NOT NULL)"


class Drive(BaseModel):
    """Which feature to use."""

    feature: str
    mark: str


@at_least_once(http=True, schema=_SEEN)
def outside(drive: Drive) -> None:
    """Use it where each message is published at once."""
    FEATURES[drive.feature](drive.mark)


@once(http=True, max_retries=0)
def inside(drive: Drive, tx: Transaction) -> None:
    """Use it where each message leaves with the commit; `then_fails` shows that none leaves without it."""
    FEATURES[drive.feature.removesuffix("_then_fails")](drive.mark)
    tx.execute("INSERT INTO tasks.seen VALUES (:mark, 'inside')", {"mark": drive.mark})
    if drive.feature.endswith("_then_fails"):
        raise ValueError(drive.feature)


def _see(mark: str, word: str) -> None:
    with engine().begin() as connection:
        connection.execute(text("INSERT INTO tasks.seen VALUES (:mark, :word)"), {"mark": mark, "word": word})


@shared_task(name="acme.see")
def see(mark: str, word: str) -> None:
    """An ordinary task."""
    _see(mark, word)


@shared_task(name="acme.say", bind=True)
def say(self: Any, mark: str) -> None:
    """Tell what the message said."""
    headers = self.request.headers or {}
    _see(mark, json.dumps({"priority": self.request.delivery_info.get("priority"), "mine": headers.get("mine")}))


@shared_task(name="acme.number")
def number(value: int) -> int:
    """Return the next number."""
    return value + 1


@shared_task(name="acme.plus")
def plus(value: int, more: int) -> int:
    """Take the result of the task before."""
    return value + more


@shared_task(name="acme.tell")
def tell(value: Any, mark: str) -> None:
    """The end of a chain."""
    _see(mark, str(value))


@shared_task(name="acme.fails_once", bind=True)
def fails_once(self: Any, mark: str) -> None:
    """`retry`, as Celery's users write it."""
    if self.request.retries == 0:
        raise self.retry(countdown=1)
    _see(mark, f"attempt {self.request.retries + 1}")


@shared_task(name="acme.tried_again", bind=True, autoretry_for=(KeyError,), retry_backoff=1, retry_jitter=False)
def tried_again(self: Any, mark: str) -> None:
    """`autoretry_for`, likewise."""
    if self.request.retries == 0:
        raise KeyError(mark)
    _see(mark, f"attempt {self.request.retries + 1}")


@shared_task(name="acme.replaced", bind=True)
def replaced(self: Any, mark: str) -> None:
    """`replace`, likewise."""
    raise self.replace(see.si(mark, "replaced"))


@shared_task(name="acme.always_fails")
def always_fails(mark: str) -> None:
    """Says nothing of retries, so it has the safe default."""
    _see(mark, "tried")
    raise ValueError(mark)


@shared_task(name="acme.fails_at_once", max_retries=0)
def fails_at_once(mark: str) -> None:
    """Opts out of retries."""
    raise ValueError(mark)


class Order(BaseModel):
    """An argument of Celery's own `pydantic=True`."""

    amount: int


@shared_task(name="acme.typed", pydantic=True)
def typed(mark: str, order: Order) -> None:
    """A model for an argument."""
    _see(mark, f"{type(order).__name__} {order.amount}")


@once()
def billed(order_id: str, tx: Transaction) -> str:
    """A task `once` in a chain: what it returns goes on, also when its message comes twice."""
    tx.execute("INSERT INTO tasks.seen VALUES (:mark, 'billed')", {"mark": order_id})
    return "a bill"


@shared_task(name="acme.kept", ignore_result=False)
def kept(value: int) -> int:
    """A plain task whose result is asked for."""
    return value + 1


@once(result="postgresql")
def receipt(order_id: str, tx: Transaction) -> str:
    """A task whose result lasts."""
    tx.execute("INSERT INTO tasks.seen VALUES (:mark, 'bought')", {"mark": order_id})
    return "a receipt"


@shared_task(name="acme.polled")
def polled(mark: str, task: str, ids: list[str]) -> None:
    """Wait for results, as a client does."""
    with allow_join_result():
        _see(mark, str([current_app.tasks[task].AsyncResult(sent).get(timeout=50) for sent in ids]))


def _in_group(mark: str) -> None:
    sent: Any = group(kept.s(1), kept.s(2)).apply_async()  # a GroupResult, which its type does not say
    polled.delay(mark, kept.name, [result.id for result in sent.results])


def _soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


FEATURES: dict[str, Callable[[str], Any]] = {
    "delay": lambda mark: see.delay(mark, "delay"),
    "countdown": lambda mark: see.apply_async((mark, "countdown"), countdown=1),
    "eta": lambda mark: see.apply_async((mark, "eta"), eta=_soon(1)),
    "expires": lambda mark: (
        see.apply_async((mark, "too late"), expires=1, countdown=3), see.apply_async((mark, "after"), countdown=5)
    ),
    "priority and headers": lambda mark: say.apply_async((mark,), priority=3, headers={"mine": "7"}),
    "retry": fails_once.delay,
    "autoretry_for": tried_again.delay,
    "replace": replaced.delay,
    "chain": lambda mark: chain(number.s(1), plus.s(10), tell.s(mark)).delay(),
    "link": lambda mark: number.apply_async((1,), link=tell.s(mark)),
    "link_error": lambda mark: fails_at_once.apply_async((mark,), link_error=see.si(mark, "errback")),
    "group": lambda mark: group(see.si(mark, "a"), see.si(mark, "b")).apply_async(),
    "send_task": lambda mark: current_app.send_task("acme.see", args=[mark, "by name"]),
    "pydantic": lambda mark: typed.delay(mark, {"amount": 7}),  # type: ignore[arg-type]  # Celery makes the model
    "a task once in a chain": lambda mark: chain(billed.s(mark), tell.s(mark)).delay(),
    "safe default": always_fails.delay,
    "chord": lambda mark: chord([number.s(1), number.s(2)], tell.s(mark)).delay(),
    "a chord of tasks once": lambda mark: chord([billed.s(mark), number.s(2)], tell.s(mark)).delay(),
    "result": lambda mark: polled.delay(mark, kept.name, [kept.delay(1).id]),
    "a result that lasts": lambda mark: polled.delay(mark, receipt.name, [receipt.delay(mark).id]),
    "a group with results": _in_group,
}  # fmt: skip
