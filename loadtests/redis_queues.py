"""Counts the messages of each queue in the Redis that is the local stack's broker."""

from __future__ import annotations

from typing import Any

import redis

from app import contract
from app.contract import Role
from loadtests.errors import NotReadyError
from loadtests.queues import Queue
from loadtests.target import Target


class RedisQueues:
    """Asked as RabbitMQ's management API is (`queues.Management`)."""

    def __init__(self, target: Target) -> None:
        """Connect to nothing yet."""
        self._client: Any = redis.Redis(
            host="localhost", port=target.redis_broker_port, username=str(Role.OPERATOR),
            password=target.redis_broker_password, ssl=True, ssl_ca_certs=str(target.internal_ca_file),
            socket_connect_timeout=3, socket_timeout=5,
        )  # fmt: skip

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def work_queues(self) -> list[Queue]:
        """The queues in which work may be."""
        return [queue for name in contract.queue_names() for queue in self._of(name)]

    def _of(self, name: str) -> tuple[Queue, Queue]:
        keys = contract.redis_keys(name)
        try:
            with self._client.pipeline(transaction=True) as pipe:
                waiting, held, dead = pipe.llen(keys.waiting).hlen(keys.held).llen(keys.dead).execute()
        except redis.RedisError as error:
            raise NotReadyError(f"The broker's Redis does not answer: {error}") from error
        # Redis does not say who consumes.
        return (
            Queue(name=name, ready=waiting, unacknowledged=held, consumers=1),
            Queue(name=keys.dead, ready=dead, unacknowledged=0, consumers=1),
        )

    def nodes_running(self) -> dict[str, bool]:
        """One, if it answers."""
        self.work_queues()
        return {contract.REDIS_BROKER_SERVICE: True}

    def version(self) -> str:
        """As the server says."""
        try:
            return f"Redis {self._client.info('server')['redis_version']}, one server"
        except redis.RedisError:
            return "Redis of unknown version"
