"""Users over time, for each shape."""

from __future__ import annotations

import pytest

from loadtests.closed_loop.shapes import Shape, next_users, users_at

#: The users at the beginning of each step of 60 s, out of 100: by hand.
OVER_TIME = {
    Shape.STEADY: [100] * 13,
    Shape.STEPS: [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 100, 100, 100],
    Shape.RAMP: [1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 100, 100],
    Shape.SPIKE: [10, 100, *[10] * 11],
    Shape.SOAK: [50] * 13,
}


@pytest.mark.parametrize("shape", list(Shape))
def test_users_follow_the_shape(shape: Shape) -> None:
    """Users are a function of time, and each shape is in the table."""
    told = [users_at(shape, 60.0 * step, users=100, step_seconds=60.0) for step in range(13)]

    assert OVER_TIME[shape] == told


@pytest.mark.parametrize("shape", list(Shape))
def test_within_a_step_and_with_one_user(shape: Shape) -> None:
    """Only a ramp moves within a step, and there is always a user."""
    within = {users_at(shape, seconds, users=100, step_seconds=60.0) for seconds in (60.0, 89.0, 119.0)}

    assert (len(within) > 1) is (shape is Shape.RAMP)
    assert {users_at(shape, seconds, users=1, step_seconds=60.0) for seconds in (0, 60, 9999)} == {1}


@pytest.mark.parametrize("shape", list(Shape))
def test_no_more_users_come_in_a_second_than_the_spawn_rate_allows(shape: Shape) -> None:
    """Locust would be busy spawning when the next step comes; only a spike comes at once."""
    now, coming = 0, []
    for second in range(151):
        wanted = users_at(shape, second, users=100, step_seconds=60.0)
        new = next_users(wanted, now, spawn_rate=4.0, shape=shape)
        coming.append(new - now)
        now = new

    assert max(coming) == (90 if shape is Shape.SPIKE else 4 if shape is not Shape.RAMP else 1)
    assert now == users_at(shape, 150, users=100, step_seconds=60.0)
