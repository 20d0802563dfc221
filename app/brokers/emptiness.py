"""Which queues hold nothing, as RabbitMQ's management API says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from app import contract
from app.brokers.leftovers import list_queues
from app.errors import NotReadyError
from app.settings import Settings

#: A quorum queue reports its counts every five seconds, so two looks that are so far apart see two reports.
COUNTS_LAG_SECONDS = 6.0


def empty_queues(settings: Settings) -> frozenset[str]:
    """The declared queues of which the broker holds no message: ready, unacknowledged, delayed or dead.

    Raises:
        NotReadyError: the management API does not answer.
    """
    try:
        return empty_among(list_queues(settings))
    except httpx.HTTPError as error:
        raise NotReadyError(f"RabbitMQ's management API: {error}") from error


def empty_among(listed: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """The empty ones among the queues that the API lists.

    A delayed message may belong to any queue; a missing queue is not empty.
    """
    messages = {str(queue["name"]): queue.get("messages") for queue in listed}
    if any(messages[name] != 0 for name in messages if name.startswith(contract.DELAY_LADDER_PREFIX)):
        return frozenset()
    names = contract.queue_names()
    return frozenset(
        name for name in names if messages.get(name) == messages.get(contract.dead_letter_queue(name)) == 0
    )
