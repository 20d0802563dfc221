"""A list is carried in chunks: few enough events to repeat cheaply, few enough bytes for the broker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from app import contract

#: What an event weighs in a message beside its payload and its type: names, id, time, quotes, separators.
_ENVELOPE_BYTES = 160
#: A character of the type, escaped, at worst (a surrogate pair).
_TYPE_CHARACTER_BYTES = 12


def weight(event: dict[str, Any], payload_bytes: int) -> int:
    """Return at most how many bytes the event takes in a message, without serialising it again."""
    name = event["type"]
    return _ENVELOPE_BYTES + len(name) * (1 if name.isascii() else _TYPE_CHARACTER_BYTES) + payload_bytes


def split(
    events: Sequence[dict[str, Any]],
    weights: Sequence[int],
    *,
    max_events: int = contract.CHUNK_MAX_EVENTS,
    max_bytes: int = contract.CHUNK_MAX_BYTES,
) -> Iterator[list[dict[str, Any]]]:
    """Cut a list in order; an event that is heavier than a whole chunk goes alone."""
    chunk: list[dict[str, Any]] = []
    total = 0
    for event, own in zip(events, weights, strict=True):
        if chunk and (len(chunk) >= max_events or total + own > max_bytes):
            yield chunk
            chunk, total = [], 0
        chunk.append(event)
        total += own
    if chunk:
        yield chunk
