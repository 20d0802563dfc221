"""Archives dead letters in a worker's main process, where the broker keeps no dead letters of a reject.

    the failure's record and the dead letter (one commit) -> acknowledge

A crash in between brings the message again. Its dead letter is known by then: it has the same fingerprint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from celery.worker import state
from kombu.asynchronous import get_event_loop
from sqlalchemy import event

from app.brokers.chosen import broker
from app.brokers.letters import ArrivedMessage
from app.kinds.retries import wait_out
from app.storage.engine import engine
from app.storage.failures import TaskFailure
from app.worker.background import PATIENCE_SECONDS, Background
from app.worker.recorder import connect_without_forks, no_fork

log = structlog.get_logger(__name__)

#: Prefetch bounds how many there can be; this is for when PostgreSQL stays frozen.
_MOST_WAITING = 200

Action = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Burial:
    """A dead message, and what to do with it afterwards."""

    message: ArrivedMessage
    failure: TaskFailure | None
    archived: Action
    #: It goes back to its queue, because PostgreSQL did not take it.
    refused: Action


class Burials(Background[Burial]):
    """Archives one after the other."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        super().__init__("burials", most_waiting=_MOST_WAITING)
        self._hub: Any = None

    def bury(self, message: Any, failure: TaskFailure | None, *, archived: Action, refused: Action) -> None:
        """Archive a message, then run `archived` in the event loop; or `refused`, if that is not possible."""
        burial = Burial(broker().arrived(message), failure, archived, refused)
        self._hub = get_event_loop()
        if self._hub is None or state.should_stop is not None or state.should_terminate is not None:
            self._archive(burial)()  # the loop turns no more: what it is given now would never run
        elif not self.hand_over(burial):
            log.warning("dead_letter_not_archived", reason=f"{_MOST_WAITING} wait already")
            refused()

    def begin(self) -> None:
        """Keep forks away from connections that are being made."""
        with no_fork:
            event.listen(engine(), "do_connect", connect_without_forks)

    def handle(self, item: Burial) -> None:
        """Archive it."""
        self._hub.call_soon(self._archive(item))

    def _archive(self, burial: Burial) -> Action:
        # Its counters appear with its import, and a worker on another broker has none of them.
        from app.brokers.archiving import store  # noqa: PLC0415

        failures = [burial.failure] if burial.failure is not None else []
        try:
            wait_out(lambda: store([burial.message], engine(), failures=failures), patience_seconds=PATIENCE_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, the message must not be lost
            log.warning("dead_letter_not_archived", reason=str(error))
            return burial.refused
        return burial.archived


burials = Burials()
