"""The archiver: takes dead letters from the broker into PostgreSQL. `python -m app archiver`; several may run.

    gather -> insert (commit) -> acknowledge

A crash between commit and acknowledgement brings the message again, and its fingerprint is known by then. While
PostgreSQL is away the messages stay unacknowledged, that is: in their queue. Nothing is ever put back or rejected.
"""

from __future__ import annotations

import random
import signal
import threading
import time

import structlog
from amqp.exceptions import AMQPError
from sqlalchemy import Engine, text

from app import contract
from app.brokers import wire
from app.brokers.archiving import store
from app.brokers.chosen import broker
from app.brokers.interface import DeadLetterSource, Delivery
from app.deadletters.metrics import DEAD_LETTERS_OPEN
from app.failpoints import Failpoint, failpoint
from app.settings import Settings, load
from app.storage.availability import may_pass
from app.storage.engine import engine
from app.telemetry import heartbeat, logging, metrics

log = structlog.get_logger(__name__)

#: How long to wait for a first message; also how soon the heartbeat and a signal are seen to.
_WAIT_SECONDS = 0.5
#: Between two looks at the archive, for the metrics.
_OPEN_SECONDS = 5.0
#: Between two tries at a PostgreSQL that is away, with jitter.
_AWAY_SECONDS = 1.0

_OPEN = text("SELECT queue, count(*) AS letters FROM dead_letters WHERE state = 'dead' GROUP BY queue")


class Archiver:
    """One archiver; `run` returns when `stop` is set."""

    def __init__(self, settings: Settings, database: Engine, consumer: DeadLetterSource, stop: threading.Event) -> None:
        """Nothing is connected yet."""
        self._settings = settings
        self._database = database
        self._consumer = consumer
        self._stop = stop
        self._pending: list[Delivery] = []
        self._next_beat = self._next_open = self._next_try = 0.0

    def run(self) -> None:
        """Archive until told to stop; outages of either side are waited out."""
        while not self._stop.is_set():
            try:
                if not self._connect():
                    continue
                self._observe()
                self._pending += self._consumer.gather(wait_seconds=_WAIT_SECONDS)
                if self._pending and time.monotonic() >= self._next_try:
                    self._settle()
            except (OSError, AMQPError) as error:
                # What we hold comes again: its tags died with the connection.
                self._pending.clear()
                self._consumer.close()
                if not self._stop.is_set():
                    log.warning("broker_away", reason=f"{type(error).__name__}: {error}")
            except Exception as error:
                if not may_pass(error):
                    raise
                self._next_try = time.monotonic() + _AWAY_SECONDS * (0.5 + random.random())  # noqa: S311 - jitter
                log.warning("database_away", reason=str(error).splitlines()[0], held=len(self._pending))
        self._consumer.close()

    def _settle(self) -> None:
        failpoint(Failpoint.ARCHIVER_BEFORE_COMMIT)
        store([delivery.message for delivery in self._pending], self._database)
        failpoint(Failpoint.ARCHIVER_AFTER_COMMIT)
        done, self._pending = self._pending, []
        self._consumer.acknowledge(done)

    def _connect(self) -> bool:
        """Whether it consumes, and has no order to stop."""
        if not self._consumer.connected:
            wire.until_connected(self._consume, self._stop, on_failure=self._on_no_broker)
        return self._consumer.connected

    def _consume(self) -> None:
        self._consumer.connect()
        log.info("archiver_consuming")

    def _on_no_broker(self, reason: str) -> None:
        heartbeat.write(self._settings.heartbeat_file, "disconnected")
        log.warning("broker_away", reason=reason)

    def _observe(self) -> None:
        now = time.monotonic()
        if now >= self._next_beat:
            heartbeat.write(self._settings.heartbeat_file, "consuming")
            self._next_beat = now + heartbeat.BEAT_SECONDS
        if now >= self._next_open:
            self._next_open = now + _OPEN_SECONDS
            with self._database.connect() as connection:
                letters = {row.queue: row.letters for row in connection.execute(_OPEN)}
            for queue in {*letters, *contract.queue_names()}:
                DEAD_LETTERS_OPEN.labels(queue).set(letters.get(queue, 0))


def run() -> None:
    """Start an archiver; SIGTERM and SIGINT let it finish its batch."""
    settings = load()
    logging.configure("archiver")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    metrics.serve(settings)
    log.info("archiver_starting")
    Archiver(settings, engine(), broker().dead_letters(settings), stop).run()
    log.info("archiver_stopped")
