"""The canaries that beat sends while the load runs: each slot of a schedule is one message (docs/schedules.md)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from app import contract
from loadtests.collector import Rows
from loadtests.mix.mixed import Judged
from loadtests.mix.sender import Sender

NAME = "schedules"


@dataclass(kw_only=True)
class Schedules:
    """Sends nothing: beat does."""

    name: str = NAME
    #: Messages that were sent before are another load's.
    began_at: float = 0.0

    def send(self, _: Sender) -> None:
        """Note when the load began."""
        self.began_at = time.time()

    def judge(self, rows: Rows) -> list[Judged]:
        """Count the canaries' messages, and the slots that they are for."""
        query = """
            SELECT queue, count(*), count(DISTINCT task_id) FROM outbox
            WHERE task_name = %s AND message_id >= %s GROUP BY queue
        """
        found = rows.execute(query, (contract.TASK_CANARY, first_id(self.began_at)))
        return judged(sent={queue: (messages, slots) for queue, messages, slots in found})


def first_id(moment: float) -> UUID:
    """No message of this Unix time or later has a smaller id: they are of version 7 and begin with the milliseconds."""
    return UUID(int=int(moment * 1000) << 80)


def judged(*, sent: Mapping[str, tuple[int, int]]) -> list[Judged]:
    """By queue, the messages that were sent and the slots that they are for: a task's id is made of its slot."""
    messages, slots = (sum(counts[part] for counts in sent.values()) for part in (0, 1))
    return [
        Judged(
            pattern=NAME,
            promise="each slot once",
            expected="canaries, and one message for each slot of their schedules",
            found=f"{messages} messages for {slots} slots of {len(sent)} queues",
            ok=messages == slots > 0,
        )
    ]
