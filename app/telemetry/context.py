"""The ids that tie an HTTP request to its tasks: a correlation id for people, a W3C traceparent for tracing tools.

Only these two travel: shipping the whole logging context would ship secrets and sizes with it
(research/observability.md 3.1).
"""

from __future__ import annotations

import re
import secrets
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from celery import signals

from app import contract

#: version-traceid-spanid-flags (https://www.w3.org/TR/trace-context/#traceparent-header); all zeros are invalid.
_TRACEPARENT = re.compile(r"^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}$")
#: What we accept as somebody else's correlation id: it goes into logs and headers.
_CORRELATION_ID = re.compile(r"^[A-Za-z0-9._:-]{1,128}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """Where in which trace we are."""

    correlation_id: str
    traceparent: str

    @property
    def trace_id(self) -> str:
        """The 32 hex digits that all spans of a trace share."""
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        """The 16 hex digits of this step."""
        return self.traceparent[36:52]


_current: ContextVar[TraceContext | None] = ContextVar("trace_context", default=None)


def current() -> TraceContext | None:
    """The context of the request or task that runs now."""
    return _current.get()


def clear() -> None:
    """Forget it: the request or task is over."""
    _current.set(None)


def bind(*, correlation_id: str | None, traceparent: str | None) -> TraceContext:
    """Continue the caller's trace in a step of its own, or begin one; what is malformed counts as absent."""
    parent = _TRACEPARENT.match(traceparent or "")
    trace_id = parent.group(1) if parent else secrets.token_hex(16)
    known = correlation_id is not None and _CORRELATION_ID.match(correlation_id) is not None
    context = TraceContext(
        correlation_id=correlation_id if known and correlation_id else trace_id,
        traceparent=f"00-{trace_id}-{secrets.token_hex(8)}-01",
    )
    _current.set(context)
    return context


def add_to_message(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Stamp an outgoing task with the ids, and with the time of its first publish."""
    if headers is None:
        return
    headers.setdefault(contract.MESSAGE_PUBLISHED_AT, time.time())
    if (context := current()) is not None:
        headers.setdefault(contract.MESSAGE_CORRELATION_ID, context.correlation_id)
        headers.setdefault(contract.MESSAGE_TRACEPARENT, context.traceparent)


def connect() -> None:
    """Stamp every task that this process sends, inside a transaction or not."""
    signals.before_task_publish.connect(add_to_message, weak=False, dispatch_uid="millrace-trace")
