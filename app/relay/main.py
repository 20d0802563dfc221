"""The relay's loop: `python -m app relay`. Several may run; leases keep them apart.

    claim (commit) -> publish, wait for confirms -> delete what was confirmed, release or quarantine the rest (commit)

A crash before the publish leaves leased rows, which come free when the lease ends; a crash after the confirm sends them
twice, which the inbox absorbs. No order is promised between jobs.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
import tenacity
from amqp.exceptions import AMQPError
from sqlalchemy import Engine

from app.contract import QueueClass
from app.failpoints import Failpoint, failpoint
from app.relay.metrics import CONFIRM_SECONDS, PUBLISHED, REFUSED
from app.relay.publisher import BrokerAwayError, Publisher, PublishResult
from app.settings import Settings, load
from app.storage import outbox
from app.storage.availability import is_away
from app.storage.dead_letters import DeadLetter, archive
from app.storage.engine import engine
from app.storage.outbox import Backlog, ClaimedMessage
from app.tasks.message_body import UnreadableBodyError, event_ids_of, read_call
from app.telemetry import backlog, heartbeat, logging, metrics

log = structlog.get_logger(__name__)

#: A batch of each class in every round, interactive first: chunks are large, so few of them go at a time, and an
#: interactive message never waits for more than one such batch.
_BATCH_SHARE = {QueueClass.INTERACTIVE: 1.0, QueueClass.BULK: 0.1, QueueClass.EXTERNAL: 0.25}
#: Unroutable or refused this often, over about a minute: it is the message, not the moment.
_QUARANTINE_AFTER_ATTEMPTS = 6
#: Between two looks at the whole outbox, for the metrics.
_BACKLOG_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What to do with a published batch."""

    confirmed: list[UUID]
    release: dict[UUID, float]  # id -> seconds from now
    quarantine: dict[UUID, str]  # id -> reason


def settle(messages: Sequence[ClaimedMessage], result: PublishResult) -> Settlement:
    """Decide from the broker's words; what it said nothing about is sent again at once."""
    confirmed = set(result.confirmed)
    release: dict[UUID, float] = {}
    quarantine: dict[UUID, str] = {}
    for message in messages:
        identifier = message.message_id
        if identifier in confirmed:
            continue
        backoff_seconds = float(2 ** min(message.attempts, 5))
        reason = "unroutable" if identifier in result.unroutable else result.refused.get(identifier)
        if reason is not None and message.attempts >= _QUARANTINE_AFTER_ATTEMPTS:
            quarantine[identifier] = reason
        elif reason is not None or identifier in result.nacked:
            release[identifier] = backoff_seconds if reason else 0.5
        else:
            release[identifier] = 0.0
    return Settlement(confirmed=list(confirmed), release=release, quarantine=quarantine)


class Relay:
    """One relay; `run` returns when `stop` is set."""

    def __init__(self, settings: Settings, database: Engine, publisher: Publisher, stop: threading.Event) -> None:
        """Nothing is connected yet."""
        self._settings = settings
        self._database = database
        # A claim is one statement, and so is a batch that was confirmed whole: no BEGIN and COMMIT around them.
        self._autocommit = database.execution_options(isolation_level="AUTOCOMMIT")
        self._publisher = publisher
        self._stop = stop
        self._next_beat = self._next_backlog = 0.0

    def run(self) -> None:
        """Move messages until told to stop; outages of either side are waited out."""
        idle_seconds = self._settings.relay_poll_min_seconds
        while not self._stop.is_set():
            try:
                self._connect()
                self._observe()
                moved = [self.pump(queue) for queue in QueueClass]
            except BrokerAwayError as error:
                log.warning("broker_away", reason=str(error))
                continue
            except Exception as error:
                if not is_away(error):
                    raise
                log.warning("database_away", reason=str(error).splitlines()[0])
                self._stop.wait(0.5)
                continue
            if any(moved):
                idle_seconds = self._settings.relay_poll_min_seconds
            if not any(count == self._most(queue) for queue, count in zip(QueueClass, moved, strict=True)):
                # No full batch: let the next one gather. Without this a trickle goes out in batches of one, and a
                # message costs the relay, PostgreSQL and the broker several times as much.
                self._stop.wait(idle_seconds)
            if not any(moved):
                idle_seconds = min(idle_seconds * 1.5, self._settings.relay_poll_max_seconds)

    def pump(self, queue: QueueClass) -> int:
        """Move one batch of a queue; returns how many messages were claimed."""
        with self._autocommit.connect() as connection:
            messages = outbox.claim(
                connection,
                queue=queue.value,
                most=self._most(queue),
                lease_seconds=self._settings.relay_lease_seconds,
            )
        if not messages:
            return 0
        failpoint(Failpoint.RELAY_AFTER_CLAIM)
        try:
            with CONFIRM_SECONDS.time():
                result = self._publisher.publish(messages, timeout_seconds=self._settings.relay_confirm_timeout_seconds)
        except BrokerAwayError as error:
            self._mark(queue, messages, error.result)
            raise
        failpoint(Failpoint.RELAY_AFTER_CONFIRM)
        self._mark(queue, messages, result)
        return len(messages)

    def _most(self, queue: QueueClass) -> int:
        return max(1, round(self._settings.relay_batch_messages * _BATCH_SHARE[queue]))

    def _mark(self, queue: QueueClass, messages: Sequence[ClaimedMessage], result: PublishResult) -> None:
        settlement = settle(messages, result)
        by_id = {message.message_id: message for message in messages}
        whole = not settlement.release and not settlement.quarantine
        with self._autocommit.connect() if whole else self._database.begin() as connection:
            outbox.mark_confirmed(connection, [*settlement.confirmed, *settlement.quarantine])
            for delay_seconds in set(settlement.release.values()):
                ids = [key for key, value in settlement.release.items() if value == delay_seconds]
                outbox.release(connection, ids, delay_seconds=delay_seconds)
            archive(connection, [_dead(by_id[key], reason) for key, reason in settlement.quarantine.items()])
        PUBLISHED.labels(queue.value).inc(len(settlement.confirmed))
        for reason, count in (("unroutable", len(result.unroutable)), ("nacked", len(result.nacked))):
            if count:
                REFUSED.labels(queue.value, reason).inc(count)
                log.warning("messages_not_taken", queue=queue.value, reason=reason, count=count)
        for identifier, reason in settlement.quarantine.items():
            log.error("message_quarantined", message_id=str(identifier), reason=reason)

    def _connect(self) -> None:
        """Try until a node answers or we are told to stop; nothing is claimed meanwhile."""
        tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((OSError, AMQPError)),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=2.0),
            stop=tenacity.stop_when_event_set(self._stop),
            sleep=tenacity.sleep_using_event(self._stop),
            before_sleep=self._on_no_broker,
            reraise=True,
        )(self._publisher.connect)

    def _on_no_broker(self, state: tenacity.RetryCallState) -> None:
        heartbeat.write(self._settings.heartbeat_file, "disconnected")
        self._observe_backlog_if_due()
        log.warning("broker_away", reason=str(state.outcome.exception() if state.outcome else ""))

    def _observe(self) -> None:
        now = time.monotonic()
        if now >= self._next_beat:
            heartbeat.write(self._settings.heartbeat_file, "consuming")
            self._next_beat = now + heartbeat.BEAT_SECONDS
        self._observe_backlog_if_due()

    def _observe_backlog_if_due(self) -> None:
        now = time.monotonic()
        if now < self._next_backlog:
            return
        self._next_backlog = now + _BACKLOG_SECONDS
        with self._autocommit.connect() as connection:
            backlog.show([Backlog(**row) for row in connection.execute(outbox.BACKLOG).mappings()])


def _dead(message: ClaimedMessage, reason: str) -> DeadLetter:
    return DeadLetter(
        queue=message.queue,
        reason="unroutable" if reason == "unroutable" else "refused",
        exchange=message.exchange,
        routing_key=message.routing_key,
        properties=message.properties,
        body=message.body,
        task_id=message.task_id,
        task_name=message.task_name,
        job_id=message.job_id,
        event_ids=_event_ids(message),
        exception_type="UnroutableMessageError" if reason == "unroutable" else "PreconditionFailed",
        exception_message=reason,
        attempts=message.attempts,
    )


def _event_ids(message: ClaimedMessage) -> list[UUID]:
    try:
        call = read_call(
            message.body,
            content_type=message.properties.get("content_type"),
            content_encoding=message.properties.get("content_encoding"),
        )
    except UnreadableBodyError:
        return []
    return event_ids_of(message.task_name, call)


def run() -> None:
    """Start a relay; SIGTERM and SIGINT let it finish its batch."""
    settings = load()
    logging.configure("relay")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    metrics.serve(settings)
    log.info("relay_starting", batch=settings.relay_batch_messages, lease_seconds=settings.relay_lease_seconds)
    Relay(settings, engine(), Publisher(settings), stop).run()
    log.info("relay_stopped")
