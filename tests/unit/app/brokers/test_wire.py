"""What AMQP cannot carry is known before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from app.brokers.wire import WritableMessage
from app.errors import UnwritableMessageError


@pytest.mark.parametrize(
    "properties",
    [
        {"application_headers": {"number": 2**63}},
        {"priority": 300},
        {"application_headers": {"n" * 300: 1}},
        {"application_headers": {"when": object()}},
    ],
    ids=["a number of over 64 bits", "a priority of over 8 bits", "a name of over 255 bytes", "no type of AMQP's"],
)
def test_what_cannot_be_written_is_an_error_of_one_kind(properties: dict[str, Any]) -> None:
    """A8: struct.error and OverflowError came out of the publish and ended every relay, one after the other."""
    with pytest.raises(UnwritableMessageError):
        WritableMessage(b"body", **properties)


def test_what_can_be_written_is_written_as_py_amqp_does() -> None:
    """Serialized once, and the same bytes."""
    import amqp

    properties = {"application_headers": {"id": "x", "eta": None, "n": [1, 2.5]}, "priority": 3}
    ours: Any = WritableMessage(b"body", **properties)
    theirs: Any = amqp.Message(b"body", **properties)

    assert ours._serialize_properties() == theirs._serialize_properties()
