"""The part of a report that describes the machine."""

from __future__ import annotations

from loadtests.environment import memory_warning


def test_a_load_whose_account_may_not_fit_says_so() -> None:
    """After twelve hours of load it is too late."""
    assert memory_warning(1_000_000, 2 * 2**30) is None
    said = memory_warning(10_000_000, 16 * 2**30)
    assert said is not None
    assert said.startswith("The account of 10,000,000 events needs up to 18 GiB of memory, and this machine has 16.")
