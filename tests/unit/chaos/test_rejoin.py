"""A node that does not come back whole says what it still lacks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chaos.cluster import Queue
from chaos.errors import ManagementError, NotHealedError
from chaos.rejoin import wait_until_rejoined

NODE = "rabbit@rabbitmq-1"
_BULK = Queue(
    name="bulk", leader="rabbit@rabbitmq-2", members=(), online=(NODE, "rabbit@rabbitmq-2"), messages=0, publish_rate=0
)
_OTHER = replace(_BULK, name="a queue of nobody's", online=())


class Management:
    """A cluster that stays as it is."""

    def __init__(self, *queues: Queue, runs: bool = True, answers: bool = True) -> None:
        self._queues = queues
        self._runs = runs
        self._answers = answers

    def running(self, _: str) -> bool:
        """Whether the node runs."""
        if not self._answers:
            raise ManagementError("nobody answers")
        return self._runs

    def queues(self) -> list[Queue]:
        """All of them."""
        return list(self._queues)


@pytest.mark.parametrize(
    ("management", "said"),
    [
        (Management(_BULK, runs=False), "it does not run"),
        (Management(replace(_BULK, online=("rabbit@rabbitmq-2",))), "its replica is not online in bulk"),
        (Management(answers=False), "nobody answers"),
    ],
    ids=["down", "without a replica", "silent"],
)
def test_what_it_lacks_is_said(management: Any, said: str) -> None:
    """The last that was seen, in the failure."""
    with pytest.raises(NotHealedError, match=said):
        wait_until_rejoined(management, NODE, 0.0)


def test_only_work_queues_count() -> None:
    """Others may have no replica there."""
    management: Any = Management(_BULK, _OTHER)
    wait_until_rejoined(management, NODE, 0.0)
