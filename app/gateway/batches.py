"""A list is carried in batches: few enough items to repeat cheaply, few enough bytes for the broker."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from app import contract
from app.brokers.message_body import ITEM, ITEM_KEY
from app.gateway.items import ValidItem
from app.kinds.claims import bytes_of

_SEPARATOR_BYTES = len(", ")


def weight(carried: dict[str, Any]) -> int:
    """How many bytes the item takes in a message, whose JSON is ASCII. A reference counts with its content."""
    return (bytes_of(carried[ITEM]) or 0) + len(json.dumps(carried)) + _SEPARATOR_BYTES


def split(
    items: Iterable[ValidItem],
    *,
    max_items: int = contract.BATCH_MAX_ITEMS,
    max_bytes: int = contract.BATCH_MAX_BYTES,
) -> Iterator[list[dict[str, Any]]]:
    """Cut a list in order; an item that is heavier than a whole batch goes alone."""
    batch: list[dict[str, Any]] = []
    total = 0
    for item in items:
        carried = {ITEM_KEY: item.key, ITEM: item.wire}
        own = weight(carried)
        if batch and (len(batch) >= max_items or total + own > max_bytes):
            yield batch
            batch, total = [], 0
        batch.append(carried)
        total += own
    if batch:
        yield batch
