"""JSON logs on stdout, one object a line, library lines included; nothing here knows who collects them."""

from __future__ import annotations

import logging
import logging.config
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

from app.settings import load
from app.telemetry import context

#: Frames kept of a traceback, and no local variables: they hold payloads and passwords.
_TRACEBACK_FRAMES = 20


def _add_trace(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if (current := context.current()) is not None:
        line.setdefault("correlation_id", current.correlation_id)
        line.setdefault("trace_id", current.trace_id)
        line.setdefault("span_id", current.span_id)
    return line


def _to_json(line: Any, **_: Any) -> str:
    return orjson.dumps(line, default=str).decode()


def configure(service: str) -> None:
    """Send every line of this process to stdout as JSON, ours from `log_level` on, libraries' from WARNING on."""
    settings = load()

    def add_service(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        line["service"], line["version"], line["env"] = service, settings.version, settings.environment
        return line

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
        add_service,
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=_TRACEBACK_FRAMES)
        ),
    ]
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("app").setLevel(settings.log_level)
    # It does not propagate, and it is the one that says "exited with signal 9".
    multiprocessing = logging.getLogger("multiprocessing")
    multiprocessing.handlers[:] = [handler]
    multiprocessing.propagate = False
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
