"""The parts of the closed-loop users that need no server: shapes, bodies, the wait for ends."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import orjson
import pytest

from loadtests.accepted import Accepted, await_ends
from loadtests.bodies import events_body, name_of
from loadtests.history import Kind
from loadtests.jobs import JobState
from loadtests.shapes import Shape, users_at


@pytest.mark.parametrize(
    ("shape", "seconds", "users"),
    [
        (Shape.STEADY, 0, 100), (Shape.STEPS, 0, 10), (Shape.STEPS, 60, 20), (Shape.STEPS, 9999, 100),
        (Shape.RAMP, 0, 1), (Shape.RAMP, 300, 50), (Shape.RAMP, 9999, 100), (Shape.SPIKE, 59, 10),
        (Shape.SPIKE, 60, 100), (Shape.SPIKE, 120, 10), (Shape.SOAK, 9999, 50),
    ],
)  # fmt: skip
def test_users_follow_the_shape(shape: Shape, seconds: float, users: int) -> None:
    """Users are a pure function of time."""
    assert users_at(shape, seconds, users=100) == users


def test_a_body_is_one_event_or_a_list() -> None:
    """A list is a JSON list."""
    assert orjson.loads(events_body([b"{}"], Kind.SINGLE)) == {}
    assert orjson.loads(events_body([b"{}", b"{}"], Kind.LIST)) == [{}, {}]


def test_names_are_routes() -> None:
    """No name holds an id."""
    assert {name_of(kind) for kind in Kind} == {"POST /v1/events", "POST /v1/events (list)"}


def test_a_job_that_is_lost_and_one_that_waits_are_seen() -> None:
    """The final check tells the two apart."""
    done, waits, lost = uuid4(), uuid4(), uuid4()
    accepted = Accepted()
    accepted.add(map(str, (done, waits, lost)))

    def listing() -> Iterator[tuple[UUID, JobState]]:
        yield from ((done, JobState.SUCCEEDED), (waits, JobState.WAITING))

    now = iter(range(100))
    ends = await_ends(
        accepted, listing, bound_seconds=3, tell=lambda _: None, clock=lambda: float(next(now)), sleep=lambda _: None
    )
    assert (ends.accepted, ends.waiting, ends.missing, ends.ok) == (3, 1, 1, False)


def test_ids_are_bounded_and_the_rest_is_counted() -> None:
    """Memory is bounded."""
    accepted = Accepted(most=2)
    accepted.add(str(uuid4()) for _ in range(5))
    assert (len(accepted.ids), accepted.unchecked) == (2, 3)
