"""How a request to the gateway is built; the open-loop generator and the closed-loop users share it."""

from __future__ import annotations

from collections.abc import Sequence

from app import contract
from loadtests.history import Kind

EVENTS_PATH = "/v1/events"


def events_body(events: Sequence[bytes], kind: Kind) -> bytes:
    """A single event, or a list of events."""
    return events[0] if kind is Kind.SINGLE else b"[" + b",".join(events) + b"]"


def headers(api_key: str, request_id: str) -> dict[str, str]:
    """The headers of a request that may be repeated."""
    return {
        contract.HEADER_API_KEY: api_key,
        contract.HEADER_IDEMPOTENCY_KEY: request_id,
        "Content-Type": "application/json",
    }


def name_of(kind: Kind) -> str:
    """The name under which Locust counts a request: a route, never an id."""
    return f"{EVENTS_PATH} (list)" if kind is Kind.LIST else EVENTS_PATH
