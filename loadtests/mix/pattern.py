"""The interface of a pattern of the mix."""

from __future__ import annotations

from typing import Protocol

from loadtests.collector import Rows
from loadtests.mix.mixed import Judged
from loadtests.mix.sender import Sender


class Pattern(Protocol):
    """Sends beside the events, at a low rate; reads back what became of its requests when everything is drained."""

    @property
    def name(self) -> str:
        """The pattern's name in the verdict and the report."""
        ...

    def send(self, sender: Sender) -> None:
        """Send everything. This runs in a thread of its own.

        Raises:
            HarnessError: the gateway refused something for good; then nothing of this pattern can be judged.
        """
        ...

    def judge(self, rows: Rows) -> list[Judged]:
        """Compare what was sent with what there is now."""
        ...
