"""A sender's share of a queue: a number of items a second, with a reserve."""

from __future__ import annotations

from app.gateway import shares
from app.gateway.shares import Shares


class Clock:
    """A clock that a test sets."""

    seconds = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.seconds


def test_a_reserve_is_used_up_and_fills_again() -> None:
    """Items beyond the share take nothing from it."""
    clock = Clock()
    given = Shares(per_second=10, reserve=100, clock=clock)
    assert given.take("a", "bulk", 60)
    assert not given.take("a", "bulk", 60)
    assert given.take("a", "bulk", 40)
    assert not given.take("a", "bulk", 1)
    clock.seconds += 1
    assert given.take("a", "bulk", 10)
    assert not given.take("a", "bulk", 1)
    clock.seconds += 3600
    assert given.take("a", "bulk", 100), "the reserve is full again, and not more than full"
    assert not given.take("a", "bulk", 1)


def test_each_sender_has_its_own() -> None:
    """Each sender has a share of each queue."""
    given = Shares(per_second=10, reserve=100)
    assert given.take("a", "bulk", 100)
    assert given.take("b", "bulk", 100)
    assert given.take("a", "interactive", 100)


def test_senders_with_a_full_reserve_are_forgotten() -> None:
    """Memory does not grow with the number of senders that there ever were."""
    clock = Clock()
    given = Shares(per_second=10, reserve=100, clock=clock)
    for number in range(2 * shares._SENDERS):
        clock.seconds += 1
        given.take(f"key-{number}", "bulk", 1)
    assert len(given._full_at) <= shares._SENDERS
