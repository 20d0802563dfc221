"""The error of a tool that cannot be had."""

from __future__ import annotations


class ToolError(RuntimeError):
    """A tool could not be built or run: what, why, and what to do."""


def last_lines(output: str, count: int = 20) -> str:
    """The end of what a program said, where its reason stands."""
    return "\n".join(output.strip().splitlines()[-count:])
