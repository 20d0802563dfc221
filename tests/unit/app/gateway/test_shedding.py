"""Which class is refused at which backlog."""

from __future__ import annotations

import pytest

from app.contract import QueueClass
from app.gateway.shedding import Bounds, must_shed
from app.storage.outbox import Backlog

BOUNDS = Bounds(messages=1000, age_seconds=100)


@pytest.mark.parametrize(
    ("interactive", "bulk", "oldest_seconds", "refused"),
    [
        (0, 0, 0, set()),
        (599, 0, 59, set()),
        (300, 300, 0, {"external"}),
        (0, 799, 79, {"external"}),
        (400, 400, 0, {"external", "bulk"}),
        (0, 0, 80, {"external", "bulk"}),
        (999, 0, 99, {"external", "bulk"}),
        (500, 500, 0, {"external", "bulk", "interactive"}),
        (1, 0, 100, {"external", "bulk", "interactive"}),
    ],
)
def test_the_lowest_class_is_refused_first(
    interactive: int, bulk: int, oldest_seconds: float, refused: set[str]
) -> None:
    """External at 60 %, bulk at 80 %, interactive at the bound, by number as by age."""
    backlogs = [
        Backlog(queue="interactive", messages=interactive, oldest_age_seconds=oldest_seconds),
        Backlog(queue="bulk", messages=bulk, oldest_age_seconds=0),
    ]

    assert {queue.value for queue in QueueClass if must_shed(queue, backlogs, BOUNDS)} == refused


def test_an_empty_outbox_refuses_nobody() -> None:
    """No row at all means that nothing waits."""
    assert not any(must_shed(queue, [], BOUNDS) for queue in QueueClass)
