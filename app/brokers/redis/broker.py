"""Redis as a broker, and what it cannot do."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import quote

from app.brokers.envelope import opened
from app.brokers.interface import Feature
from app.brokers.letters import ArrivedMessage
from app.brokers.redis import client, transport
from app.brokers.redis.dead_letters import RedisDeadLetters
from app.brokers.redis.publisher import RedisPublisher
from app.brokers.without_amqp import EveryQueue, refuse_outsiders
from app.errors import NotReadyError
from app.settings import Settings

#: Between two looks of a worker for what is due.
_SWEEP_SECONDS = 1
#: A connection that has waited in vain for an answer is dropped after a second of waiting and two of these.
_HEALTH_SECONDS = 10


class Redis:
    """A list a queue, in a Redis of its own: the one of results may be emptied at any time."""

    cannot: Mapping[Feature, str] = {
        Feature.FLOWER: "Workers on Redis send no events, so Flower has nothing to show: the metrics have the counts.",
        Feature.REMOTE_CONTROL: "Workers on Redis listen to no channel, so none hears `celery inspect` or `control`.",
        Feature.PRODUCERS: "Redis does not say who sent a message, so no other service may publish.",
        Feature.FOREIGN_APPLICATIONS: "Plain Celery loses messages on Redis, so no other application may consume.",
        Feature.PRIORITIES: "Redis has lists without priorities: give urgent work a queue of its own.",
        Feature.LEFTOVER_QUEUES: "Redis does not tell a queue that is left over from any other key.",
        Feature.CONSUMERS: "Redis does not say who consumes a queue, so a canary goes to every queue.",
        Feature.DEAD_LETTERING: "Redis drops what is rejected, so the worker archives a dead letter itself.",
    }
    longest_delay_seconds: float | None = math.inf
    silence_seconds: float | None = 2.0 * _HEALTH_SECONDS + 10
    counts_lag_seconds = 0.0

    def options(self, settings: Settings) -> dict[str, Any]:
        """The transport, with every wait bounded."""
        user, password = settings.redis_broker_user, quote(settings.redis_broker_password.get_secret_value(), safe="")
        address = f"{settings.redis_broker_host}:{settings.redis_broker_port}"
        return {
            "broker_url": f"{transport.SCHEME}://{user}:{password}@{address}/0",
            "broker_use_ssl": client.tls(settings),
            "broker_transport_options": {
                "socket_connect_timeout": client.CONNECT_SECONDS,
                "socket_timeout": client.ANSWER_SECONDS,  # without it a publish waits for ever on a dead connection
                "socket_keepalive": True,
                "health_check_interval": _HEALTH_SECONDS,
                # By default a lost worker's messages come back up to 100 s after their time.
                "unacked_restore_interval": _SWEEP_SECONDS,
                "unacked_restore_throttle": 1,
                "priority_steps": [0],
            },
            "broker_heartbeat": None,
            "worker_enable_remote_control": False,
        }

    def publisher(self, settings: Settings, stop: threading.Event, *, name: str) -> RedisPublisher:
        """By LPUSH."""
        return RedisPublisher(settings)

    def dead_letters(self, settings: Settings) -> RedisDeadLetters:
        """Of what was delivered too often."""
        return RedisDeadLetters(settings)

    def consumed_queues(self, settings: Settings) -> EveryQueue:
        """All."""
        return EveryQueue()

    def declare(self, settings: Settings) -> None:
        """Make nothing: a list is there when it holds something. See that nobody was promised what Redis cannot do.

        Raises:
            NotOnThisBrokerError: queues.toml names producers or a foreign application.
            NotReadyError: Redis does not answer.
        """
        refuse_outsiders(self.cannot)
        if (missing := self.missing(settings)) is not None:
            raise NotReadyError(missing)

    def empty_queues(self, settings: Settings) -> frozenset[str]:
        """Exactly, and of one moment.

        Raises:
            NotReadyError: Redis does not answer.
        """
        try:
            with closing(client.connect(settings)) as asked:
                counted = client.counts(asked)
                return frozenset(queue for queue, states in counted.items() if not any(states.values()))
        except client.RedisAwayError as error:
            raise NotReadyError(f"The broker's Redis: {error}") from error

    def depths(self, settings: Settings) -> Mapping[str, Mapping[str, int]]:
        """Waiting, held or delayed, and dead ones.

        Raises:
            RedisAwayError: Redis does not answer.
        """
        with closing(client.connect(settings)) as asked:
            return client.counts(asked)

    def missing(self, settings: Settings) -> str | None:
        """Only Redis itself can be missing."""
        if not settings.redis_broker_password.get_secret_value():
            return None  # this role has no user there
        try:
            with closing(client.connect(settings)) as asked, client.answered():
                asked.ping()
        except client.RedisAwayError as error:
            return f"the broker's Redis: {error}"
        return None

    def arrived(self, message: Any) -> ArrivedMessage:
        """Read again from its text, as the archiver would, so that both are one dead letter."""
        info = message.delivery_info
        return opened(info["redis_text"]).arrived(info["routing_key"], death_reason="")

    def answered_at(self) -> float:
        """When Redis last answered this worker."""
        return transport.answers.at
