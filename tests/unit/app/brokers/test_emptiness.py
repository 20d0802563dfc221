"""Which queues hold nothing; a queue whose count is unknown counts as not empty."""

from __future__ import annotations

import pytest

from app import contract
from app.brokers.emptiness import empty_among

_ALL = [name for queue in contract.queue_names() for name in (queue, contract.dead_letter_queue(queue))]
_FIRST, *_OTHERS = contract.queue_names()


@pytest.mark.parametrize(
    ("counts", "empty"),
    [
        ({}, [_FIRST, *_OTHERS]),
        ({_FIRST: 1}, _OTHERS),
        ({contract.dead_letter_queue(_FIRST): 1}, _OTHERS),
        ({_FIRST: None}, _OTHERS),
        ({f"{contract.DELAY_LADDER_PREFIX}3": 1}, []),
        ({f"{contract.DELAY_LADDER_PREFIX}3": None}, []),
        ({f"{contract.DELAY_LADDER_PREFIX}3": 0, "somebody's": 5}, [_FIRST, *_OTHERS]),
    ],
)
def test_only_zero_is_empty(counts: dict[str, int | None], empty: list[str]) -> None:
    """A queue without a leader has no count."""
    listed = [{"name": name, "messages": count} for name, count in (dict.fromkeys(_ALL, 0) | counts).items()]
    assert empty_among(listed) == set(empty)


def test_a_missing_queue_is_not_empty() -> None:
    """Messages may come back with the queue."""
    listed = [{"name": name, "messages": 0} for name in _ALL if name != _FIRST]
    assert empty_among(listed) == set(_OTHERS)
