"""A schedule offers the load that it says, at times that do not depend on answers."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from loadtests.errors import ScheduleError
from loadtests.generator import MAX_USERS, users_for
from loadtests.history import Kind
from loadtests.schedule import Schedule


@given(
    seconds=st.floats(1, 20),
    singles=st.floats(1, 200),
    lists=st.floats(0, 20),
    seed=st.integers(),
)
def test_a_schedule_holds_exactly_its_requests_in_order(
    seconds: float, singles: float, lists: float, seed: int
) -> None:
    """The count is exact, the times lie within the load and never go back."""
    schedule = Schedule(seconds=seconds, singles_per_second=singles, lists_per_second=lists, seed=seed)

    slots = schedule.slots()

    offsets = [slot.offset_seconds for slot in slots]
    assert len(slots) == schedule.requests
    assert offsets == sorted(offsets)
    assert all(0 <= offset <= seconds for offset in offsets)
    assert all(slot.events == 1 if slot.kind is Kind.SINGLE else 100 <= slot.events <= 200 for slot in slots)


def test_the_same_seed_is_the_same_schedule() -> None:
    """Two runs with one seed offer the same load; another seed, another."""
    first, again, other = (
        Schedule(seconds=10, singles_per_second=20, lists_per_second=2, seed=seed).slots() for seed in (7, 7, 8)
    )

    assert first == again != other


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seconds": 0}, "seconds: must be above 0"),
        ({"seconds": 4000}, "at most 3600"),
        ({"singles_per_second": -1}, "rates: must not be negative"),
        ({"singles_per_second": 0, "lists_per_second": 0}, "requests: 0"),
        ({"singles_per_second": 1e9}, "must be 1 to 500000"),
        ({"list_max_events": 2000}, "list events"),
        ({"list_min_events": 300}, "list events"),
    ],
)
def test_an_impossible_load_is_refused(wrong: dict[str, float], message: str) -> None:
    """A schedule that cannot be run says which value is wrong, before anything starts."""
    right = {"seconds": 10, "singles_per_second": 10, "lists_per_second": 1}

    with pytest.raises(ScheduleError, match=message):
        Schedule(**{**right, **wrong})  # type: ignore[arg-type]


def test_users_bound_the_requests_under_way() -> None:
    """There are enough senders for five seconds without an answer, and never too many."""
    assert users_for(Schedule(seconds=10, singles_per_second=50, lists_per_second=0)) == 250
    assert users_for(Schedule(seconds=10, singles_per_second=5000, lists_per_second=0)) == MAX_USERS
    assert users_for(Schedule(seconds=10, singles_per_second=1, lists_per_second=0)) == 16
