"""The types of a rule: what it is, what it sees, and what it says when it is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

#: One rendered Kubernetes object.
Manifest = Mapping[str, Any]
Environment = Literal["staging", "prod"]


@dataclass(frozen=True)
class Context:
    """What a rule may know besides the manifests."""

    environment: Environment

    @property
    def prod(self) -> bool:
        """Whether users depend on it."""
        return self.environment == "prod"


class Enforcement(StrEnum):
    """What a violation does to a deployment."""

    MANDATORY = "mandatory"  # stops it
    ADVISORY = "advisory"  # is shown


@dataclass(frozen=True)
class Finding:
    """Where one manifest breaks a rule. `value` never is a secret: those are `hidden`."""

    manifest: Manifest
    path: str
    value: object
    advice: str


@dataclass(frozen=True)
class Violation:
    """A finding with its rule, and the manifest by name: what a person or a program reads."""

    rule: str
    enforcement: Enforcement
    resource: str
    path: str
    value: object
    advice: str

    def __str__(self) -> str:
        """One line: where, what stands there, what to do."""
        return f"{self.resource}: {self.path} is {self.value!r}: {self.advice} [{self.rule}]"


ResourceCheck = Callable[[Manifest, Context], Iterable[Finding]]
StackCheck = Callable[[Sequence[Manifest], Context], Iterable[Finding]]


@dataclass(frozen=True)
class ResourceRule:
    """A rule that one manifest keeps or breaks by itself."""

    name: str
    description: str
    reason: str
    check: ResourceCheck
    enforcement: Enforcement = Enforcement.MANDATORY

    def findings(self, manifests: Sequence[Manifest], context: Context) -> Iterable[Finding]:
        """Everything that breaks it."""
        return (finding for manifest in manifests for finding in self.check(manifest, context))


@dataclass(frozen=True)
class StackRule:
    """A rule about manifests together: what selects, scales or denies what."""

    name: str
    description: str
    reason: str
    check: StackCheck
    enforcement: Enforcement = Enforcement.MANDATORY

    def findings(self, manifests: Sequence[Manifest], context: Context) -> Iterable[Finding]:
        """Everything that breaks it."""
        return self.check(manifests, context)


Rule = ResourceRule | StackRule


def hidden(secret: str) -> str:
    """What a message says instead of something that may be a secret."""
    return f"(hidden, {len(secret)} characters)"
