"""Beat: a canary for each queue at an even pace, timed by the worker that starts it; none leaves a trace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.contract import queue_names
from tests.harness import canaries
from tests.harness.canaries import assert_no_trace, healthy, seen, sent, soon
from tests.harness.stack import Stack


@pytest.fixture
def beating(cluster: Stack) -> Iterator[Stack]:
    """A stack with every worker, and with beat."""
    with canaries.beating(cluster) as stack:
        yield stack


def test_every_queue_has_its_canaries(beating: Stack) -> None:
    """Beat sends them through the real broker, a worker starts them, and none becomes a row or a dead letter."""
    for queue in queue_names():
        (before,) = soon(lambda queue=queue: (seen(beating, queue),), "its worker tells")  # type: ignore[misc]
        soon(lambda queue=queue: sent(beating, queue, "sent") >= 3, "beat sends three")  # type: ignore[misc]
        soon(lambda queue=queue, before=before: seen(beating, queue) >= before + 3, "the worker starts three")  # type: ignore[misc]
        assert_no_trace(beating, queue)
    soon(lambda: healthy(beating, "ready"), "beat says that it is ready")
