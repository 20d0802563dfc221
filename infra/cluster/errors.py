"""Errors of the commands, in words that name the object, the reason and the way out. Never a secret value."""

from __future__ import annotations

from dataclasses import dataclass


class ClusterError(Exception):
    """Something that was asked of the cluster was not done."""


class NothingChangedError(ClusterError):
    """It is refused; the cluster is as it was."""


@dataclass(frozen=True)
class Cause:
    """One reason of a refusal, as the API server gives it."""

    reason: str
    field: str
    message: str


class RefusedError(ClusterError):
    """The API server refuses a request."""

    def __init__(self, what: str, status: int, reason: str, message: str, causes: tuple[Cause, ...] = ()) -> None:
        super().__init__(f"{what}: {message}")
        self.what = what
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes

    @property
    def conflicts(self) -> tuple[Cause, ...]:
        """Fields that belong to others."""
        return tuple(cause for cause in self.causes if cause.reason == "FieldManagerConflict")
