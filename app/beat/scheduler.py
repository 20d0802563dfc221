"""Celery's scheduler, kept in memory, whose publishes are bounded in time.

Celery's default keeps a file, so that a restart neither forgets nor repeats what was due meanwhile. Canaries want the
opposite: one that was missed is of no use later. So nothing is stored, and the root file system stays read-only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
import tenacity
from celery.beat import ScheduleEntry, Scheduler

from app.beat.metrics import CANARIES
from app.settings import load
from app.telemetry import heartbeat

log = structlog.get_logger(__name__)


class CanaryScheduler(Scheduler):
    """Sends what is due to queues that somebody consumes; an outage costs the canaries of its time and no others."""

    #: Seconds that it sleeps at most: the heartbeat file must stay young.
    max_interval = int(heartbeat.BEAT_SECONDS)
    #: Celery would connect here, outside `apply_entry`, and try for ever: the entry that was due would be lost.
    producer = None  # type: ignore[assignment]  # so that none is passed to apply_entry

    _state = "starting"
    _connection: Any = None

    def tick(self, *args: Any, **options: Any) -> float:
        """Send the one entry that is due, if any; returns how long to sleep."""
        heartbeat.write(load().heartbeat_file, self._state)
        return float(super().tick(*args, **options))

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send an entry. Whatever goes wrong is counted, and its next time comes."""
        options = entry.options or {}
        queue = options["queue"]
        try:
            outcome = self._twice(self._send, entry, options)
        except Exception as error:  # noqa: BLE001 - no message may end beat
            outcome = "failed"
            self._disconnect()
            log.warning("canary_not_published", queue=queue, reason=f"{type(error).__name__}: {error}")
        CANARIES.labels(queue, outcome).inc()
        self._state = "disconnected" if outcome == "failed" else "consuming"

    def close(self) -> None:
        """Leave without waiting for a server that may not answer."""
        self._disconnect()

    def _twice(self, *call: Any) -> str:
        """A connection may have died since the last canary: then a new one, once."""
        again = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(2), before_sleep=lambda _: self._disconnect(), reraise=True
        )
        return str(again(*call))

    def _send(self, entry: ScheduleEntry, options: Mapping[str, Any]) -> str:
        connection = self._connected()
        # Without consumers it would only wait, one every few seconds for as long as the workers are away.
        if not connection.default_channel.queue_declare(options["queue"], passive=True).consumer_count:
            return "skipped"
        with self.app.amqp.Producer(connection, auto_declare=False) as producer:
            # The header tells the worker. As an argument, Celery would make it the message's time to live as well, and
            # the broker dead-letters what outlives that.
            void_at = datetime.now(UTC) + timedelta(seconds=options["expires"])
            self.app.send_task(
                str(entry.task),
                queue=options["queue"],
                headers={"expires": void_at.isoformat()},
                producer=producer,
                retry=False,  # `_twice` does, on a new connection
            )
        return "published"

    def _connected(self) -> Any:
        if self._connection is None:
            connection = self.app.connection_for_write()
            connection.ensure_connection(max_retries=1, timeout=self.app.conf.broker_connection_timeout)
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collect()
