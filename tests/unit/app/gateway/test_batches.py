"""A list is cut by count and by bytes."""

from __future__ import annotations

import pytest

from app.brokers.message_body import ITEM, ITEM_KEY
from app.gateway import batches
from app.gateway.items import ValidItem


@pytest.mark.parametrize(
    ("weights", "max_items", "max_bytes", "sizes"),
    [
        ([1] * 5, 2, 100, [2, 2, 1]),
        ([1] * 4, 2, 100, [2, 2]),
        ([40, 40, 40], 10, 100, [2, 1]),
        ([100, 1], 10, 100, [1, 1]),
        ([500, 1, 1], 10, 100, [1, 2]),
        ([1, 500, 1], 10, 100, [1, 1, 1]),
        ([7], 10, 100, [1]),
        ([], 10, 100, []),
    ],
)
def test_lists_are_cut(
    monkeypatch: pytest.MonkeyPatch, weights: list[int], max_items: int, max_bytes: int, sizes: list[int]
) -> None:
    """No batch has too many items or bytes, except an item that is too heavy for any batch: it goes alone."""
    monkeypatch.setattr(batches, "weight", lambda one: int(one[ITEM]))
    items = [
        ValidItem(key=str(place), members=None, texts={"": str(weight).encode()})
        for place, weight in enumerate(weights)
    ]

    cut = list(batches.split(items, max_items=max_items, max_bytes=max_bytes))

    assert [len(batch) for batch in cut] == sizes
    assert [one for batch in cut for one in batch] == [{ITEM_KEY: item.key, ITEM: item.wire} for item in items]
