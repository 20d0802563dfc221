"""Whatever happens while a fault is held, it is taken back, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chaos.errors import NotConfirmedError
from chaos.fault import hold


class _Fault:
    """Says what was done to it, in order."""

    def __init__(self, noticed: Callable[[], bool], inject_fails: Exception | None = None) -> None:
        self.said: list[str] = []
        self._noticed = noticed
        self._inject_fails = inject_fails

    def run(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        hold(
            self._inject,
            self._clear,
            noticed=self._noticed,
            unnoticed=lambda: "it stands as it stood",
            notice_seconds=0.01,
            seconds=0.0,
            say=events.append,
        )
        return events

    def _inject(self) -> float:
        self.said.append("inject")
        if self._inject_fails:
            raise self._inject_fails
        return 1.0

    def _clear(self) -> float:
        self.said.append("clear")
        return 2.0


def _interrupt() -> bool:
    raise KeyboardInterrupt


def test_its_course() -> None:
    """Each step is told, with its time."""
    fault = _Fault(lambda: True)
    events = fault.run()
    assert [event["event"] for event in events] == ["injected", "confirmed", "cleared"]
    assert (events[0]["injected_at"], events[2]["cleared_at"]) == (1.0, 2.0)
    assert fault.said == ["inject", "clear"]


def test_unnoticed() -> None:
    """What nobody notices proves nothing: an error, and yet it is cleared."""
    fault = _Fault(lambda: False)
    with pytest.raises(NotConfirmedError, match="it stands as it stood"):
        fault.run()
    assert fault.said == ["inject", "clear"]


@pytest.mark.parametrize("when", ["while it is injected", "while it is held"])
def test_interrupted(when: str) -> None:
    """Half an injection is cleared like a whole one."""
    half = when == "while it is injected"
    fault = _Fault(_interrupt, inject_fails=OSError("half done") if half else None)
    with pytest.raises(OSError if half else KeyboardInterrupt):
        fault.run()
    assert fault.said == ["inject", "clear"]
