"""What the method and the rollbacks of an experiment may do. Chaos Toolkit calls these functions by name."""

from __future__ import annotations

from typing import Any

from app import contract
from chaos.errors import NotHealedError
from chaos.faults import Wanted
from chaos.injections import held


def inject(
    verb: str,
    component: str,
    deadline_seconds: float,
    role: str = "any",
    queue: str = contract.EVENT_QUEUE,
    options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Bring a fault about and wait until it shows; it is taken back at the deadline, whatever happens to this process.

    `role` is a part of the service's name (`interactive`), `any`, `all`, or for RabbitMQ `leader` or `follower` of a
    queue. Returns what was done, and when.
    """
    wanted = Wanted(verb=verb, component=component, role=role, options=options or {})
    return held().inject(wanted, queue=queue, deadline_seconds=deadline_seconds)


def take_back() -> str:
    """Take every fault back, the last first. Safe to repeat.

    Raises:
        NotHealedError: it could not be.
    """
    if wrong := held().take_back():
        raise NotHealedError("; ".join(wrong))
    return "nothing is injected"
