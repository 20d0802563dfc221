"""Lua scripts in the Redis of Celery's results, which workers reach with the rights of their role."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from app.brokers.celery_app import celery_app
from app.errors import SettingsError


class Script:
    """A Lua script of this folder. Redis runs it atomically."""

    def __init__(self, name: str) -> None:
        """Name the file; nothing is read yet."""
        self._path = Path(__file__).with_name(name)

    def __call__(self, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run the script.

        Raises:
            redis.RedisError: Redis is away, or refuses the script.
        """
        return self._registered(keys=keys, args=arguments, client=self.server())

    @staticmethod
    def server() -> Any:
        """This thread's client.

        Raises:
            SettingsError: the role of this process has no user in Redis; workers have one.
        """
        client = getattr(celery_app.backend, "client", None)
        if client is None:
            raise SettingsError("(MILLRACE_REDIS_PASSWORD: this role has no user in Redis; call this in a worker)")
        return client

    @cached_property
    def _registered(self) -> Any:
        return self.server().register_script(self._path.read_text())
