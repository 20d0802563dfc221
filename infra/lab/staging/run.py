"""The summary of one run of the engine, from its events: what it did, or would do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pulumi.automation.events import EngineEvent


@dataclass(frozen=True)
class Step:
    """One resource: what happens to it, and which of its fields are the reason."""

    operation: str
    urn: str
    fields: tuple[str, ...] = ()
    #: Those of them for which the resource is replaced.
    replacing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rpartition("::")[2]

    @property
    def type(self) -> str:
        """Its type, without those of the components that hold it."""
        return self.urn.split("::")[2].rpartition("$")[2]


@dataclass(frozen=True)
class Violation:
    """One rule of a policy pack that one resource breaks."""

    policy: str
    level: str
    message: str
    urn: str


@dataclass(frozen=True)
class Run:
    """A preview, an update or a destruction."""

    counts: Mapping[str, int]
    steps: tuple[Step, ...]
    violations: tuple[Violation, ...]
    #: What the CLI printed.
    output: str

    def of(self, operation: str) -> tuple[Step, ...]:
        """The steps of one operation: create, update, replace, delete, same."""
        return tuple(step for step in self.steps if step.operation == operation)

    @property
    def changed(self) -> bool:
        """Is anything but `same` in it?"""
        return any(number for operation, number in self.counts.items() if operation not in {"same", "read"})


class EngineError(Exception):
    """The engine refused or failed; `run` is what it did until then."""

    def __init__(self, run: Run) -> None:
        """The message is what the CLI printed."""
        super().__init__(run.output)
        self.run = run


def read(events: Iterable[EngineEvent], output: str) -> Run:
    """The run that these events tell of."""
    counts: dict[str, int] = {}
    steps, violations = [], []
    for event in events:
        if event.summary_event:
            counts = {str(getattr(kind, "value", kind)): n for kind, n in event.summary_event.resource_changes.items()}
        if event.resource_pre_event:
            data = event.resource_pre_event.metadata
            fields = tuple(sorted(data.detailed_diff or data.diffs or ()))
            kinds = {
                path: str(getattr(diff.diff_kind, "value", diff.diff_kind))
                for path, diff in (data.detailed_diff or {}).items()
            }
            replacing = tuple(path for path in fields if kinds.get(path, "").endswith("-replace"))
            steps.append(Step(str(getattr(data.op, "value", data.op)), data.urn, fields, replacing))
        if found := event.policy_event:
            violations.append(
                Violation(found.policy_name, found.enforcement_level, found.message, found.resource_urn or "")
            )
    return Run(counts, tuple(steps), tuple(violations), output)
