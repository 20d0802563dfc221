"""Kill a worker or the only broker under load, and start it again: the fault of `make demo` without RabbitMQ."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from chaos.errors import NotConfirmedError, NotHealedError
from chaos.fault import Say
from chaos.target import MortalNode
from chaos.waiting import wait_until

#: A worker's children import the application in some 10 s on two busy cores; its check looks every few seconds.
_HEALTHY_SECONDS = 150.0


class MortalWorker(MortalNode, Protocol):
    """A worker or a Redis that says how it is."""

    @property
    def healthy(self) -> bool:
        """Whether its own check is content."""


def kill_worker(
    node: MortalWorker,
    say: Say,
    *,
    dead_seconds: float,
    kind: str = "kill-worker",
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """The whole drill; the container is started again even when this is interrupted.

    Raises:
        ChaosError: it did not happen as it must; what was said until then still holds.
    """
    say({"event": "chosen", "kind": kind, "node": node.name, "container": node.name})
    try:
        injected_at = node.kill()
        say({"event": "injected", "injected_at": injected_at, "signal": "SIGKILL", "exit_code": node.exit_code})
        _require_dead(node)
        say({"event": "confirmed", "confirmed_at": time.time()})
        while (rest := injected_at + dead_seconds - time.time()) > 0:
            _require_dead(node)
            sleep(min(rest, 1.0))
        _require_dead(node)
        say({"event": "stayed_dead", "stayed_dead": True})
    finally:
        say({"event": "cleared", "cleared_at": node.start()})
    if not wait_until(lambda: node.healthy, _HEALTHY_SECONDS):
        raise NotHealedError(f"{node.name} is not healthy {_HEALTHY_SECONDS:g} s after its start.")
    say({"event": "recovered", "recovered_at": time.time()})


def _require_dead(node: MortalNode) -> None:
    if not node.still_dead:
        raise NotConfirmedError(f"{node.name} was started by somebody else.")
