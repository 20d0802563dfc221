"""A list is cut by count and by bytes."""

from __future__ import annotations

import pytest

from app.gateway import chunks


@pytest.mark.parametrize(
    ("weights", "max_events", "max_bytes", "sizes"),
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
def test_lists_are_cut(weights: list[int], max_events: int, max_bytes: int, sizes: list[int]) -> None:
    """No chunk has too many events or bytes, except an event that is too heavy for any chunk: it goes alone."""
    events = [{"number": number} for number in range(len(weights))]

    cut = list(chunks.split(events, weights, max_events=max_events, max_bytes=max_bytes))

    assert [len(chunk) for chunk in cut] == sizes
    assert [event for chunk in cut for event in chunk] == events


def test_weight_counts_the_escapes_of_the_type() -> None:
    """A type that is not ASCII takes up to twelve bytes a character."""
    assert chunks.weight({"type": "\U0001f600" * 10}, 5) - chunks.weight({"type": ""}, 5) == 120
