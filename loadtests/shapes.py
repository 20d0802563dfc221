"""How many users there are at a moment of a closed-loop run: pure functions of time."""

from __future__ import annotations

import math
from enum import StrEnum

_STEPS = 10
_STEP_SECONDS = 60.0
_RAMP_SECONDS = 600.0
_SPIKE_BEGIN_SECONDS, _SPIKE_END_SECONDS = 60.0, 120.0
_SPIKE_REST_SHARE = 0.1
_SOAK_SHARE = 0.5


class Shape(StrEnum):
    """What `--shape` may say. `users` is the most that a run has."""

    STEADY = "steady"  # all of them
    STEPS = "steps"  # a tenth more each minute
    RAMP = "ramp"  # evenly more, for ten minutes
    SPIKE = "spike"  # a tenth, all of them for the second minute, a tenth
    SOAK = "soak"  # half of them, until it is stopped


def users_at(shape: Shape, seconds: float, *, users: int) -> int:
    """The users after so many seconds, at least one."""
    match shape:
        case Shape.STEADY:
            share = 1.0
        case Shape.STEPS:
            share = min(_STEPS, 1 + seconds // _STEP_SECONDS) / _STEPS
        case Shape.RAMP:
            share = min(1.0, seconds / _RAMP_SECONDS)
        case Shape.SPIKE:
            share = 1.0 if _SPIKE_BEGIN_SECONDS <= seconds < _SPIKE_END_SECONDS else _SPIKE_REST_SHARE
        case Shape.SOAK:
            share = _SOAK_SHARE
    return max(1, math.ceil(users * share))
