"""Cases of the alerts that differ with Redis as the broker: the relays count what waits there and what is held."""

from __future__ import annotations

from collections.abc import Iterator

from app import contract
from tests.integration.alerts.cases import Case, SeriesOf, of_alert
from tests.integration.alerts.series import Series, always, rising, until_deleted

WORKER, OUTCOMES = "worker-interactive", "celery_task_outcomes_total"


def _pods(metric: str, process: str, values: str, *, first_deleted: bool, **labels: str) -> tuple[Series, ...]:
    own = {"queue": "interactive", **labels}
    first = until_deleted(values) if first_deleted else values
    return tuple(
        Series(metric=metric, values=shown, process=process, number=number, labels=own)
        for number, shown in ((1, first), (2, values))
    )


def _counts(waiting: float, held: float, *, dead: float = 0, first_deleted: bool = False) -> tuple[Series, ...]:
    """Two relays, each of which counts all messages."""
    return tuple(
        one
        for state, messages in (("waiting", waiting), ("held", held), ("dead", dead))
        for one in _pods(
            contract.METRIC_BROKER_MESSAGES, "relay", always(messages), first_deleted=first_deleted, state=state
        )
    )


def _work(waiting: float, held: float, a_minute: float, *, first_deleted: bool = False) -> SeriesOf:
    done = _pods(OUTCOMES, WORKER, rising(a_minute / 2), first_deleted=first_deleted, task="quote", outcome="succeeded")
    return lambda _w: (*_counts(waiting, held, first_deleted=first_deleted), *done)


def counted_by_relays() -> Iterator[Case]:
    """One queue, so that it is not counted twice, and its dead messages are not work."""
    yield from of_alert(
        "QueueTooLong",
        fires=lambda _w: _counts(6000, 4001),
        quiet=lambda _w: _counts(6000, 3999, dead=50_000),
        after=lambda _w: _counts(6000, 4001, first_deleted=True),
    )
    # 15 minutes of work: 3,000 messages at less than 200 a minute.
    yield from of_alert(
        "QueueDrainsSlowly",
        fires=_work(2000, 1000, 180),
        quiet=_work(2000, 1000, 240),
        after=_work(2000, 1000, 180, first_deleted=True),
    )
    yield Case(alert="QueueDrainsSlowly", what="fires while nobody works", series=_work(10, 0, 0), fires=True)
    yield Case(alert="QueueDrainsSlowly", what="quiet while nothing waits", series=_work(0, 0, 0), fires=False)
