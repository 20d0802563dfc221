"""A stack whose broker is a Redis of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import redis

from app import contract
from app.contract import Role
from infra.local import files
from infra.local.brokers import REDIS_BY_ITSELF
from infra.local.folders import BROKER, REDIS_BROKER
from tests.harness import services
from tests.harness.stack import Stack

#: Twenty deliveries of a killed child take minutes; the number changes nothing of the path.
DELIVERIES = 4


class RedisQueues:
    """The broker's Redis as an operator sees it."""

    def __init__(self, client: Any) -> None:
        """Connect to nothing yet."""
        self.client = client

    def messages(self) -> dict[str, int]:
        """Messages in each queue, in hands of workers, delayed and dead ones too; empty queues left out."""
        found: dict[str, int] = {}
        for name in contract.queue_names():
            keys = contract.redis_keys(name)
            with self.client.pipeline(transaction=True) as pipe:
                total = sum(pipe.llen(keys.waiting).hlen(keys.held).llen(keys.dead).execute())
            found |= {name: total} if total else {}
        return found

    def purge(self) -> None:
        """Throw away everything, as a lost disk does."""
        self.client.flushall()

    def send(self, queue: str, text: str | bytes) -> None:
        """Send any text."""
        self.client.lpush(contract.redis_keys(queue).waiting, text)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


class RedisStack(Stack):
    """As `make up BROKER=redis` runs it, with a smaller delivery limit."""

    queues: RedisQueues

    def __init__(self, name: str, folder: Path) -> None:
        """Describe it; `start` makes it."""
        super().__init__(name, folder, nodes=0)
        self.servers = ("postgresql", "redis", "objectstore", REDIS_BROKER)

    def _prepare_rabbitmq(self) -> None:
        file = self.state.config / "app" / "queues.toml"
        limited = file.read_text().replace("\npurpose =", f"\ndelivery_limit = {DELIVERIES - 1}\npurpose =")
        files.write(file, limited, files.PUBLIC_FILE)
        self.queues = RedisQueues(self.redis_broker())
        self.broker.close()
        self.broker = self.queues  # type: ignore[assignment]  # what drains and heals asks it only for its messages
        for server in self.servers[1:]:
            self.wait(server)
        self.run("topology")

    def redis_broker(self, user: str = Role.OPERATOR, **options: Any) -> Any:
        """A client of a role's at the broker's Redis."""
        known: dict[str, Any] = {
            "host": "127.0.0.1", "port": self.port(REDIS_BROKER, contract.PORT_REDIS), "username": str(user),
            "password": self.password(user, BROKER), "ssl": True, "ssl_ca_certs": str(self.ca_file),
            "socket_timeout": 5,
        }  # fmt: skip
        return redis.Redis(**known | options)

    def service(self, name: str) -> services.Service:
        """With what the local stack's broker tells every process."""
        if name == REDIS_BROKER:
            return services.described(name, REDIS_BY_ITSELF.service or {}, self._variables)
        found = super().service(name)
        return replace(found, environment={**found.environment, **REDIS_BY_ITSELF.environment})

    def _answers(self, name: str) -> bool:
        return bool(self.queues.client.ping()) if name == REDIS_BROKER else super()._answers(name)

    def healed(self) -> RedisStack:
        """Everything running, nothing under way."""
        self.heal()
        if self.queues.messages():
            self.queues.purge()
        self.query("DELETE FROM outbox_pending", role=Role.OWNER)
        return self
