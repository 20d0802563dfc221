"""What a request to the gateway is made of."""

from __future__ import annotations

import orjson

from loadtests.bodies import events_body, name_of
from loadtests.history import Kind


def test_a_body_is_one_event_or_a_list() -> None:
    """A list is a JSON list, also of one event."""
    assert orjson.loads(events_body([b"{}"], Kind.SINGLE)) == {}
    assert orjson.loads(events_body([b"{}"], Kind.LIST)) == [{}]


def test_names_are_routes() -> None:
    """No name holds an id."""
    assert {name_of(kind) for kind in Kind} == {"/v1/events", "/v1/events (list)"}
