"""Sends the slots that are due: it takes a slot and writes its message to the outbox in one transaction.

Two beats may run: the first to take a slot sends it, and the other one finds it taken. The task's id is made of
schedule and slot, so a task `once` runs a single time even if its message is delivered twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import Engine

from app.beat.metrics import SLOTS
from app.brokers.interface import ConsumedQueues
from app.brokers.transactional import in_transaction
from app.kinds.registry import Entry
from app.kinds.schedules import Due
from app.storage import schedules
from app.storage.availability import may_pass
from app.telemetry import context

log = structlog.get_logger(__name__)

#: The longest sleep: PostgreSQL's clock may be set meanwhile, and the heartbeat file must not grow old.
_SLEEP_MAX_SECONDS = 1.0


class Clock:
    """The schedules of all tasks; a loop calls `tick`."""

    def __init__(self, entries: Sequence[Entry], database: Engine, consumers: ConsumedQueues) -> None:
        """Keep the arguments; the first `tick` is the first to ask a server."""
        self._entries = entries
        self._names = [entry.name for entry in entries]
        self._database = database
        self._consumers = consumers
        self._begun = False

    def tick(self) -> float:
        """Send what is due; returns the seconds until something may be due again.

        Raises:
            sqlalchemy.exc.DBAPIError: PostgreSQL is away. The next tick sends the slots that this one did not.
        """
        with self._database.begin() as connection:
            if not self._begun:
                schedules.forget_others(connection, self._names)
            slots = schedules.read(connection, self._names)
        self._begun = True
        found = [(entry, entry.schedule.due(after=slots.last[entry.name], now=slots.now)) for entry in self._entries]
        lasting = [(entry, due) for entry, due in found if not entry.schedule.perishable]
        perishable = [(entry, due) for entry, due in found if entry.schedule.perishable and due.slots]
        for entry, due in lasting:
            self._handle(entry, due, skip=False)
        if perishable:  # last, because the broker may take long to answer
            consumed = self._consumers.among({entry.queue for entry, _ in perishable})
            for entry, due in perishable:
                self._handle(entry, due, skip=entry.queue not in consumed)
        unseen = ((entry.schedule, max(slots.now, slots.last[entry.name])) for entry in self._entries)
        following = (next(schedule.slots_after(moment)) for schedule, moment in unseen)
        return min(_SLEEP_MAX_SECONDS, *((slot - slots.now).total_seconds() for slot in following))

    def _handle(self, entry: Entry, due: Due, *, skip: bool) -> None:
        """Send or skip the slots of one entry, oldest first; after an error it stops, and the next look tries again."""
        if due.missed:
            SLOTS.labels(entry.name, "missed").inc(due.missed)
            if not entry.schedule.perishable:
                log.warning("slots_missed", schedule=entry.name, slots=due.missed)
        for slot in due.slots:
            try:
                outcome = self._take(entry, slot, skip=skip)
            except Exception as error:
                if may_pass(error):
                    raise
                log.exception("slot_not_sent", schedule=entry.name, slot=slot.isoformat())
                SLOTS.labels(entry.name, "failed").inc()
                return  # a later slot that is taken would hide this one
            if outcome is not None:
                SLOTS.labels(entry.name, outcome).inc()

    def _take(self, entry: Entry, slot: datetime, *, skip: bool) -> str | None:
        """Take a slot and write its message; returns the metric's outcome, or None if another beat has taken it."""
        with self._database.begin() as connection:
            if not schedules.take(connection, entry.name, slot):
                return None
            if skip:
                return "skipped"
            context.bind(correlation_id=None, traceparent=None)
            with in_transaction(connection):
                entry.task.apply_async(
                    args=[entry.schedule.local(slot)] if entry.takes_slot else [],
                    task_id=f"{entry.name} {slot.isoformat()}",
                    queue=entry.queue,
                    headers=_headers(entry, slot),
                )
        return "sent"


def _headers(entry: Entry, slot: datetime) -> dict[str, str]:
    if not entry.schedule.perishable:
        return {}
    # The worker reads the header. Celery's argument `expires` would set the message's time to live as well, and the
    # broker would dead-letter a message that outlives it.
    return {"expires": next(entry.schedule.slots_after(slot)).isoformat()}
