"""Waits until a broker node that was away is a whole member again: it runs, and each work queue has its replica."""

from __future__ import annotations

from app import contract
from chaos.errors import ManagementError, NotHealedError
from chaos.management import Management
from chaos.waiting import wait_until


def wait_until_rejoined(management: Management, node: str, seconds: float) -> None:
    """Wait for a node by its broker's name.

    Raises:
        NotHealedError: what it still lacked when the time was over.
    """
    lacks = ""

    def rejoined() -> bool:
        nonlocal lacks
        lacks = _lacks(management, node)
        return not lacks

    if not wait_until(rejoined, seconds, every_seconds=1.0):
        message = f"{node} after {seconds:.0f} s: {lacks}."
        raise NotHealedError(message)


def _lacks(management: Management, node: str) -> str:
    try:
        if not management.running(node):
            return "it does not run"
        work = [queue for queue in management.queues() if queue.name in contract.queue_names()]
    except ManagementError as error:
        return str(error)
    absent = [queue.name for queue in work if node not in queue.online]
    return f"its replica is not online in {', '.join(absent)}" if absent else ""
