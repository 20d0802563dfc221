"""kombu's transport over Redis, mended.

kombu's takes a message out of Redis and writes down afterwards that a worker holds it: what a worker had read when it
was killed is lost. It drops what is rejected, gives a message that kills its workers to one after the other without
end, and a full Redis keeps it from taking any. Here `take.lua` does it in one step, also in a full Redis, and counts.
A worker waits by a command that moves a message to where it is: it tells that there is one, and takes nothing.
"""

from __future__ import annotations

from queue import Empty
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import structlog
from kombu import transport as transports
from kombu.transport import redis, virtual
from redis.exceptions import OutOfMemoryError

from app import contract
from app.brokers.envelope import opened, written
from app.brokers.interface import DELAY_SECONDS
from app.brokers.redis.client import Script
from app.brokers.transactional import queue_of
from app.brokers.without_amqp import Answers, visibility_seconds
from app.settings import load

log = structlog.get_logger(__name__)

#: How Celery's `broker_url` names it.
SCHEME = "millrace-redis"
transports.TRANSPORT_ALIASES[SCHEME] = "app.brokers.redis.transport:Transport"

#: A worker's prefetch bounds it, too.
_MOST_AT_ONCE = 20
#: Between two looks into an empty queue of a full Redis.
_FULL_SECONDS = 0.1
#: Of a queue, given back in one step.
_MOST_GIVEN_BACK = 100

answers = Answers()
#: Tags of messages that are done and that Redis does not know of yet.
_owed: set[str] = set()
_take, _let_go, _give_back, _delay = (Script(name) for name in ("take", "let_go", "give_back", "delay"))

# The stubs of kombu do not know what is overridden here.
_Redis: Any = redis
_Virtual: Any = virtual


def queue_of_tag(tag: str) -> str:
    """`take.lua` makes the tags."""
    return tag.partition(":")[0]


class QoS(_Virtual.QoS):  # type: ignore[misc]
    """What this worker holds. A tag says all that is needed to let go of it, on any connection."""

    def ack(self, delivery_tag: str) -> None:
        """Free the room of a finished message. A Redis that is away is told of it later.

        kombu's keeps its room then. When all of a worker's acknowledgements had failed, it waited for ever.
        """
        super().ack(delivery_tag)
        _owed.add(delivery_tag)
        try:
            self._settle()
        except self.channel.connection_errors as error:
            log.warning("message_not_acknowledged", reason=str(error))

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give it back. It is never dropped: a worker archives what is dead, and then acknowledges it."""
        super().ack(delivery_tag)
        try:
            self.channel.give_back(delivery_tag)
        except self.channel.connection_errors as error:  # it is back when its time is over
            log.warning("message_not_given_back", reason=str(error))

    def _settle(self) -> None:
        """Acknowledge what is done, in this connection or an earlier one."""
        tags = list(_owed)
        with self.channel.conn_or_acquire() as client, client.pipeline(transaction=True) as pipe:
            for tag in tags:
                keys, message_hash = contract.redis_keys(queue_of_tag(tag)), tag.split(":")[1]
                pipe.hdel(keys.held, tag)
                pipe.zrem(keys.until, tag)
                pipe.hdel(keys.deliveries, message_hash)
            pipe.execute()
        _owed.difference_update(tags)

    def restore_visible(self, **_: Any) -> None:
        """Every second: what is due goes back to the list."""
        if _owed:
            self._settle()
        with self.channel.conn_or_acquire() as client:
            for queue in self.channel.active_queues:
                keys = contract.redis_keys(queue)
                # In steps, because Redis serves nobody else meanwhile.
                while _give_back(client, (keys.waiting, keys.held, keys.until), _MOST_GIVEN_BACK) == _MOST_GIVEN_BACK:
                    pass
        answers.came()


class Channel(_Redis.Channel):  # type: ignore[misc]
    """Queues by their names, so that nothing has to be declared."""

    QoS = QoS

    def _brpop_start(self, timeout: int | None = None) -> None:
        [queue] = self.active_queues  # a worker has one
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        self.client.connection.send_command("BLMOVE", queue, queue, "RIGHT", "RIGHT", timeout or self.brpop_timeout)

    def _brpop_read(self, **options: Any) -> bool:
        connection = self.client.connection
        full = False
        try:
            there = self.client.parse_response(connection, "BLMOVE", **options)
        except OutOfMemoryError:  # it counts as a write, so a full Redis does not wait
            there, full = True, True
        except self.connection_errors:
            connection.disconnect()
            raise
        finally:
            self._in_poll = None
        answers.came()
        if there is None or self._closing:
            raise Empty
        delivered = [self._deliver(queue) for queue in self.active_queues]
        if not any(delivered):
            if full:
                sleep(_FULL_SECONDS)
            raise Empty
        return True

    def _deliver(self, queue: str) -> int:
        """Take as many as this worker may hold, and hand them over."""
        settings, keys = load(), contract.redis_keys(queue)
        [declared] = [one for one in contract.queues() if one.name == queue]
        room = self.qos.can_consume_max_estimate()
        most = _MOST_AT_ONCE if room is None else min(room, _MOST_AT_ONCE)
        with self.conn_or_acquire() as client:
            hold_seconds = visibility_seconds(declared, settings)
            taken = _take(client, keys, uuid4().hex, hold_seconds, declared.delivery_limit + 1, most)
        for tag, count, text in taken:
            self.connection._deliver(  # noqa: SLF001 - kombu's transport, for its channels
                self._payload(queue, tag.decode(), count, text), queue
            )
        return len(taken)

    def _payload(self, queue: str, tag: str, count: int, text: bytes) -> dict[str, Any]:
        delivery_info = {
            "exchange": contract.TASKS_EXCHANGE,
            "routing_key": queue,
            "redelivered": count > 1,
            "redis_text": text,
        }
        return opened(text).payload(tag, delivery_info)

    def give_back(self, tag: str) -> None:
        """Let it be due: within a second it is in the list again."""
        with self.conn_or_acquire() as client:
            _let_go(client, (contract.redis_keys(queue_of_tag(tag)).until,), tag)

    def _restore(self, message: Any, leftmost: bool = False) -> None:
        """Give a message back when its connection ends.

        kombu writes what cannot be given back to a file in /tmp, with its body.
        """
        try:
            self.give_back(message.delivery_tag)
        except self.connection_errors as error:  # it is back when its time is over
            log.warning("message_not_given_back", reason=str(error))

    def _lookup(self, exchange: str, routing_key: str, default: Any = None) -> list[str]:
        """The queue that a message goes to; kombu knows only what somebody has declared, and drops the rest.

        Raises:
            QueueNotDeclaredError: there is none.
        """
        return [queue_of(exchange, routing_key)]

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        """Send it, now or to be seen later.

        Raises:
            UnwritableMessageError: it is too long.
            redis.RedisError: Redis did not take it.
        """
        # A copy: Celery sends the caller's own properties again if this fails.
        properties = dict(message["properties"])
        delay_seconds = properties.pop(DELAY_SECONDS, None) or 0
        text = written({**message, "properties": properties}, most_bytes=contract.REDIS_MESSAGE_MAX_BYTES)
        keys = contract.redis_keys(queue)
        with self.conn_or_acquire() as client:
            if delay_seconds:
                _delay(client, (keys.held, keys.until), f"{queue}:delayed:{uuid4().hex}", text, delay_seconds)
            else:
                client.lpush(keys.waiting, text)


class Transport(_Redis.Transport):  # type: ignore[misc]
    """What Celery connects by."""

    Channel = Channel
