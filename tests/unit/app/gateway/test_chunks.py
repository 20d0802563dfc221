"""A list is cut by count and by bytes."""

from __future__ import annotations

import pytest

from app.gateway import chunks
from app.gateway.events import ValidEvent


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
def test_lists_are_cut(
    monkeypatch: pytest.MonkeyPatch, weights: list[int], max_events: int, max_bytes: int, sizes: list[int]
) -> None:
    """No chunk has too many events or bytes, except an event that is too heavy for any chunk: it goes alone."""
    monkeypatch.setattr(chunks, "weight", lambda one: int(one["payload"]))
    moment = "2026-01-01T00:00:00Z"
    events = [
        ValidEvent(event_id=str(place), type="t", occurred_at=moment, payload=str(weight).encode())
        for place, weight in enumerate(weights)
    ]

    cut = list(chunks.split(events, max_events=max_events, max_bytes=max_bytes))

    assert [len(chunk) for chunk in cut] == sizes
    assert [event for chunk in cut for event in chunk] == [event.as_message() for event in events]
