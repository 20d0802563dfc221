"""Which queue is refused at which backlog."""

from __future__ import annotations

import pytest

from app.gateway.shedding import Bounds, shares, shed
from app.storage.outbox import Backlog

BOUNDS = Bounds(messages=1000, age_seconds=100)
QUEUES = ("interactive", "bulk", "external")


@pytest.mark.parametrize(
    ("interactive", "bulk", "oldest_seconds", "refused"),
    [
        (0, 0, 0, set()),
        (599, 0, 59, set()),
        (300, 300, 0, {"external"}),
        (0, 799, 79, {"external"}),
        (400, 400, 0, {"external", "bulk"}),
        (0, 0, 80, set()),
        (999, 0, 99, {"external", "bulk"}),
        (500, 500, 0, {"external", "bulk", "interactive"}),
        (1, 0, 100, {"interactive"}),
    ],
)
def test_the_last_queue_is_refused_first(interactive: int, bulk: int, oldest_seconds: float, refused: set[str]) -> None:
    """By number, external at 60 %, bulk at 80 %, interactive at the bound; by age, each by its own."""
    backlogs = [
        Backlog(queue="interactive", messages=interactive, oldest_age_seconds=oldest_seconds),
        Backlog(queue="bulk", messages=bulk, oldest_age_seconds=0),
    ]

    assert shed(QUEUES, backlogs, BOUNDS, beyond_share=True) == refused


def test_what_is_within_a_share_is_refused_later() -> None:
    """At one sender's backlog, work beyond shares is refused, and work within them is not yet."""
    backlogs = [Backlog(queue="interactive", messages=1200, oldest_age_seconds=0)]

    assert shed(QUEUES, backlogs, BOUNDS, beyond_share=True) == set(QUEUES)
    assert shed(QUEUES, backlogs, BOUNDS, beyond_share=False) == {"external", "bulk"}


def test_an_empty_outbox_refuses_nobody() -> None:
    """No row at all means that nothing waits."""
    assert shed(QUEUES, [], BOUNDS, beyond_share=True) == set()


def test_any_number_of_queues_is_refused_from_the_last_to_the_first() -> None:
    """In equal steps from the bounds down to 60 % of them; a queue alone has the whole."""
    assert shares(["a", "b", "c", "d", "e"]) == pytest.approx({"a": 1.0, "b": 0.9, "c": 0.8, "d": 0.7, "e": 0.6})
    assert shares(["a"]) == {"a": 1.0}


def test_a_queue_that_stands_still_is_refused_alone() -> None:
    """The age of what waits for one queue says nothing about the others."""
    standing = [
        Backlog(queue="interactive", messages=1, oldest_age_seconds=5000),
        Backlog(queue="bulk", messages=1, oldest_age_seconds=1),
    ]

    assert shed(QUEUES, standing, BOUNDS, beyond_share=False) == {"interactive"}
