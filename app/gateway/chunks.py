"""A list is carried in chunks: few enough events to repeat cheaply, few enough bytes for the broker."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from app import contract
from app.gateway.events import ValidEvent

_SEPARATOR_BYTES = len(", ")


def weight(event: dict[str, str]) -> int:
    """How many bytes the event takes in a message, whose JSON is ASCII."""
    return len(json.dumps(event)) + _SEPARATOR_BYTES


def split(
    events: Iterable[ValidEvent],
    *,
    max_events: int = contract.CHUNK_MAX_EVENTS,
    max_bytes: int = contract.CHUNK_MAX_BYTES,
) -> Iterator[list[dict[str, str]]]:
    """Cut a list in order; an event that is heavier than a whole chunk goes alone."""
    chunk: list[dict[str, str]] = []
    total = 0
    for event in map(ValidEvent.as_message, events):
        own = weight(event)
        if chunk and (len(chunk) >= max_events or total + own > max_bytes):
            yield chunk
            chunk, total = [], 0
        chunk.append(event)
        total += own
    if chunk:
        yield chunk
