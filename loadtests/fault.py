"""The fault's evidence, as the chaos command reports it: JSON lines on its standard output."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What was done to the system, and what proves it. Times are Unix seconds."""

    kind: str = "kill-busiest-leader"
    injected_at: float | None = None
    confirmed_at: float | None = None
    cleared_at: float | None = None
    recovered_at: float | None = None
    error: str | None = None
    #: All that the command said, event by event.
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def confirmed(self) -> bool:
        """Whether it is proved that the fault happened."""
        return self.injected_at is not None and self.confirmed_at is not None

    @property
    def dead_seconds(self) -> float:
        """How long the node was down: from the kill until it was started again."""
        if self.injected_at is None or self.cleared_at is None:
            return 0.0
        return self.cleared_at - self.injected_at


def read_fault(lines: Iterable[str | bytes]) -> Fault:
    """Put the command's lines together; a line that is not JSON is somebody's print and is left out."""
    evidence: dict[str, Any] = {}
    for line in lines:
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(record, dict):
            evidence.update({name: value for name, value in record.items() if name != "event"})
    return Fault(
        kind=str(evidence.get("kind", "kill-busiest-leader")),
        injected_at=evidence.get("injected_at"),
        confirmed_at=evidence.get("confirmed_at"),
        cleared_at=evidence.get("cleared_at"),
        recovered_at=evidence.get("recovered_at"),
        error=evidence.get("error"),
        evidence=evidence,
    )
