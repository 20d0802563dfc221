"""The ids that tie a request to its tasks."""

from __future__ import annotations

from typing import Any

import pytest

from app import contract
from app.telemetry import context

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_callers_trace_is_continued_in_a_step_of_its_own() -> None:
    """The trace id stays, the span id is new."""
    bound = context.bind(correlation_id="order-7", traceparent=PARENT)

    assert bound.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert bound.span_id != "b7ad6b7169203331"
    assert bound.correlation_id == "order-7"


@pytest.mark.parametrize(
    "traceparent", [None, "", "nonsense", PARENT.upper(), f"00-{'0' * 32}-b7ad6b7169203331-01", PARENT + "-more"]
)
def test_what_is_malformed_counts_as_absent(traceparent: str | None) -> None:
    """A new trace begins, instead of an id that no tool understands."""
    bound = context.bind(correlation_id="bad id\n", traceparent=traceparent)

    assert len(bound.trace_id) == 32
    assert bound.trace_id != "0af7651916cd43dd8448eb211c80319c"
    assert bound.correlation_id == bound.trace_id


def test_a_message_carries_the_ids_and_its_first_publish() -> None:
    """A retry keeps the first stamp: the user did wait that long."""
    bound = context.bind(correlation_id="order-7", traceparent=PARENT)
    headers: dict[str, Any] = {contract.MESSAGE_PUBLISHED_AT: 1.0}

    context.add_to_message(headers=headers)
    context.clear()

    assert headers == {
        contract.MESSAGE_PUBLISHED_AT: 1.0,
        contract.MESSAGE_CORRELATION_ID: "order-7",
        contract.MESSAGE_TRACEPARENT: bound.traceparent,
    }
