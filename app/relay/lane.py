"""A lane: one queue's way from the outbox to the broker, in a thread and with a connection of its own.

    claim (commit) -> publish, wait for confirms -> delete what was confirmed, release or quarantine the rest (commit)

Messages of revoked jobs are dropped instead of published; those of a paused queue or task are held.

Messages beyond their sender's share of the queue are claimed after the others, and only while the queue is short.

Lanes share nothing but the database: a queue that is full, missing or without a leader delays no other. A crash before
the publish leaves leased rows, which come free when the lease ends; a crash after the confirm sends them twice, which
the inbox absorbs. No order is promised between jobs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import structlog
from sqlalchemy import Connection, Engine

from app import contract
from app.brokers import bundles, wire
from app.brokers.bundles import Parcel
from app.brokers.chosen import broker
from app.brokers.interface import BrokerAwayError, PublishResult
from app.failpoints import Failpoint, failpoint
from app.relay import settlement
from app.relay.metrics import CONFIRM_SECONDS, PUBLISHED, REFUSED
from app.settings import Settings
from app.storage import outbox, pauses
from app.storage.availability import may_pass
from app.storage.outbox import ClaimedMessage

log = structlog.get_logger(__name__)

#: How long a lane pauses when the broker took nothing: a full queue or a new leader first, then longer.
_PAUSE_FIRST_SECONDS, _PAUSE_MOST_SECONDS = 0.5, 5.0
#: The first wait for confirms, as a share of the longest wait. If a leader is killed, its confirms may never come. Each
#: wait in vain doubles the next one, so that a slow broker does not get its messages again and again.
_FIRST_WAIT = 0.25
#: Between two tries at a PostgreSQL that is away.
_AWAY_SECONDS = 0.5
#: Between two looks for messages beyond their senders' shares, while there are none.
_LOOK_SECONDS = 0.1


class Lane:
    """One queue's relay; `run` returns when `stop` is set."""

    def __init__(self, queue: str, settings: Settings, database: Engine, stop: threading.Event) -> None:
        """Nothing is connected yet."""
        self.queue = queue
        self._settings = settings
        self._database = database
        # A claim is one statement, and so is a batch that was confirmed whole: no BEGIN and COMMIT around them.
        self._autocommit = database.execution_options(isolation_level="AUTOCOMMIT")
        self._publisher = broker().publisher(settings, stop, name=f"relay {queue}")
        self._stop = stop
        self._idle_seconds = settings.relay_poll_min_seconds
        self._pause_seconds = 0.0
        self._confirm_seconds = _FIRST_WAIT * settings.relay_confirm_timeout_seconds
        self._turned_at = time.monotonic()
        [self._hold_back_above] = [one.hold_back_above for one in contract.queues() if one.name == queue]
        #: When to look again for messages beyond their senders' shares, after there were none.
        self._look_at = 0.0

    @property
    def turned_at(self) -> float:
        """When it last did something, for the heartbeat (time.monotonic)."""
        return max(self._turned_at, self._publisher.looked_at)

    @property
    def connected(self) -> bool:
        """Whether it has a broker."""
        return self._publisher.connected

    def run(self) -> None:
        """Move messages until told to stop; outages of either side are waited out."""
        while not self._stop.is_set():
            self._turned_at = time.monotonic()
            try:
                if self._connect():
                    self._rest(self.pump())
            except BrokerAwayError as error:
                log.warning("broker_away", queue=self.queue, reason=str(error))
            except Exception as error:
                if not may_pass(error):
                    raise
                log.warning("database_away", queue=self.queue, reason=str(error).splitlines()[0])
                self._stop.wait(_AWAY_SECONDS)
        self._publisher.close()

    def pump(self) -> Sequence[ClaimedMessage]:
        """Move one batch; returns what was claimed."""
        most, most_bytes = self._settings.relay_batch_messages, self._settings.relay_batch_bytes
        with self._autocommit.connect() as connection:
            room = self._room(connection)  # before the first claim: it fails if the broker is away
            messages = self._claim(connection, most, most_bytes)
            room = min(room, most - len(messages))
            most_bytes -= sum(len(message.body) for message in messages)
            if room > 0 and most_bytes > 0:
                messages += self._claim(connection, room, most_bytes, beyond_share=True)
        self._drop([message for message in messages if message.revoked])
        live = [message for message in messages if not message.revoked]
        self._hold([message for message in live if message.pause_id is not None])
        if sent := [message for message in live if message.pause_id is None]:
            self._publish(sent)
        return messages

    def _claim(
        self, connection: Connection, most: int, most_bytes: int, *, beyond_share: bool = False
    ) -> list[ClaimedMessage]:
        lease_seconds = self._settings.relay_lease_seconds
        return outbox.claim(
            connection, queue=self.queue, most=most, most_bytes=most_bytes, lease_seconds=lease_seconds,
            beyond_share=beyond_share,
        )  # fmt: skip

    def _room(self, connection: Connection) -> int:
        """How many messages beyond their senders' shares may leave now. The broker's queue is kept short for others."""
        if time.monotonic() < self._look_at:
            return 0
        if not outbox.any_beyond_shares(connection, self.queue):
            self._look_at = time.monotonic() + _LOOK_SECONDS
            return 0
        waiting = self._publisher.waiting(self.queue)
        return 0 if waiting is None else self._hold_back_above - waiting

    def _publish(self, messages: Sequence[ClaimedMessage]) -> None:
        failpoint(Failpoint.RELAY_AFTER_CLAIM)
        parcels = bundles.parcels(messages)
        result = self._send(parcels)
        if several := [one for one in parcels if len(one.rows) > 1 and one.message.message_id in result.refused]:
            # The broker refused a bundle for one of its messages: send its messages one by one.
            self._mark([parcel for parcel in parcels if parcel not in several], result)
            parcels = [bundles.parcel_of(row) for parcel in several for row in parcel.rows]
            result = self._send(parcels)
        failpoint(Failpoint.RELAY_AFTER_CONFIRM)
        self._mark(parcels, result)

    def _send(self, parcels: Sequence[Parcel]) -> PublishResult:
        messages, longest_seconds = [parcel.message for parcel in parcels], self._settings.relay_confirm_timeout_seconds
        try:
            with CONFIRM_SECONDS.time():
                result = self._publisher.publish(messages, timeout_seconds=self._confirm_seconds)
        except BrokerAwayError as error:
            if isinstance(error.__cause__, TimeoutError):
                self._confirm_seconds = min(2 * self._confirm_seconds, longest_seconds)
            self._mark(parcels, error.result)
            raise
        self._confirm_seconds = _FIRST_WAIT * longest_seconds
        return result

    def _drop(self, messages: Sequence[ClaimedMessage]) -> None:
        if messages:
            with self._database.begin() as connection:
                settlement.drop(connection, messages)
            log.info("messages_revoked", queue=self.queue, count=len(messages))

    def _hold(self, messages: Sequence[ClaimedMessage]) -> None:
        if messages:
            with self._autocommit.connect() as connection:
                pauses.hold(connection, messages)
            log.info("messages_held", queue=self.queue, count=len(messages))

    def _mark(self, parcels: Sequence[Parcel], result: PublishResult) -> None:
        messages = [row for parcel in parcels for row in parcel.rows]
        settled = settlement.settle(parcels, result)
        with self._autocommit.connect() if settled.whole else self._database.begin() as connection:
            settlement.write(connection, messages, settled)
        PUBLISHED.labels(self.queue).inc(len(settled.confirmed))
        reasons = {"unroutable": result.unroutable, "nacked": result.nacked, "refused": result.refused}
        for reason, not_taken in reasons.items():
            if not_taken:
                REFUSED.labels(self.queue, reason).inc(len(not_taken))
                log.warning("messages_not_taken", queue=self.queue, reason=reason, count=len(not_taken))
        for identifier, words in settled.quarantined.items():
            log.error("message_quarantined", queue=self.queue, message_id=str(identifier), reason=words)
        if settled.confirmed:
            self._pause_seconds = 0.0
        elif result.unroutable or result.nacked:
            self._pause_seconds = min(max(_PAUSE_FIRST_SECONDS, 2 * self._pause_seconds), _PAUSE_MOST_SECONDS)

    def _rest(self, messages: Sequence[ClaimedMessage]) -> None:
        settings = self._settings
        if self._pause_seconds:
            self._stop.wait(self._pause_seconds)
            return
        full = len(messages) >= settings.relay_batch_messages
        if not full and sum(len(message.body) for message in messages) < settings.relay_batch_bytes:
            # Let the next batch gather. Without this a trickle goes out in batches of one, and a message costs the
            # relay, PostgreSQL and the broker several times as much.
            self._stop.wait(self._idle_seconds)
        longer = min(self._idle_seconds * 1.5, settings.relay_poll_max_seconds)
        self._idle_seconds = settings.relay_poll_min_seconds if messages else longer

    def _connect(self) -> bool:
        """Whether there is a connection, and not an order to stop; nothing is claimed meanwhile."""
        wire.until_connected(self._publisher.connect, self._stop, on_failure=self._on_no_broker)
        return self._publisher.connected

    def _on_no_broker(self, reason: str) -> None:
        self._turned_at = time.monotonic()
        log.warning("broker_away", queue=self.queue, reason=reason)
