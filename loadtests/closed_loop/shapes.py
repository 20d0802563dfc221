"""How many users there are at a moment of a run: pure functions of time."""

from __future__ import annotations

import math
from enum import StrEnum

_STEPS = 10
_SPIKE_REST_SHARE = 0.1
_SOAK_SHARE = 0.5


class Shape(StrEnum):
    """What `--shape` may say. `--users` is the most that a run has, `--step-seconds` the length of a step."""

    STEADY = "steady"  # all of them
    STEPS = "steps"  # a tenth more each step, until all are there: watch where it saturates
    RAMP = "ramp"  # evenly more, all of them after ten steps
    SPIKE = "spike"  # a tenth, but all of them in the second step
    SOAK = "soak"  # half of them, until it is stopped


def users_at(shape: Shape, seconds: float, *, users: int, step_seconds: float) -> int:
    """The users after so many seconds, at least one."""
    step = seconds / step_seconds
    match shape:
        case Shape.STEADY:
            share = 1.0
        case Shape.STEPS:
            share = min(_STEPS, 1 + math.floor(step)) / _STEPS
        case Shape.RAMP:
            share = min(1.0, step / _STEPS)
        case Shape.SPIKE:
            share = 1.0 if 1 <= step < 2 else _SPIKE_REST_SHARE
        case Shape.SOAK:
            share = _SOAK_SHARE
    return max(1, math.ceil(users * share))


def next_users(wanted: int, now: int, *, spawn_rate: float, shape: Shape) -> int:
    """The users of the next second: `wanted`, but not more new ones than the spawn rate allows.

    Locust's shape waits while it spawns users, and would overlook its own next step and the end of the run. A spike
    is sudden, so there the rate does not count.
    """
    if shape is Shape.SPIKE:
        return wanted
    return min(wanted, now + max(1, math.floor(spawn_rate)))
