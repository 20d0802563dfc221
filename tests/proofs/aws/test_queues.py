"""Queues of SQS as the application needs them."""

from __future__ import annotations

from collections.abc import Callable

from app.contract import SQS_MESSAGE_MAX_BYTES
from infra.render.recorder import Registered

QUEUES = ("interactive", "bulk", "external")


def test_every_queue_takes_the_largest_message(registered: Callable[[str], tuple[Registered, ...]]) -> None:
    """One with a smaller limit refuses what the application believes that it may send; the default is 256 KiB."""
    sizes = {
        one.inputs["name"]: one.inputs.get("maxMessageSize")
        for one in registered("staging")
        if one.type == "aws:sqs/queue:Queue"
    }
    names = [f"millrace-staging-{queue}{end}" for queue in QUEUES for end in ("", "-dead")]
    assert sizes == dict.fromkeys(names, SQS_MESSAGE_MAX_BYTES)
