"""The place where a component's objects are made, as far as a component must know it.

A `Stack` knows it of Millrace. A program that imports components says it with a `Place`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pulumi


class Ground(Protocol):
    """What builders of objects ask."""

    @property
    def environment(self) -> str:
        """The label that all objects carry."""

    @property
    def is_prod(self) -> bool:
        """Whether data is kept when its resource or its stack is removed by accident."""

    @property
    def zones(self) -> int:
        """Over how many zones pods spread."""

    @property
    def storage_class(self) -> str | None:
        """Of volumes; None: the cluster's default."""

    def namespace_of(self, component: str) -> str:
        """Where the objects of a component are."""

    def priority_class_of(self, component: str) -> str | None:
        """The PriorityClass of its pods."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A namespace of somebody's, with a Secret `authority-tls` whose `ca.crt` clients trust."""

    namespace: str
    environment: str = "default"
    is_prod: bool = False
    zones: int = 1
    storage_class: str | None = None
    priority_class: str | None = None

    def namespace_of(self, component: str) -> str:
        """The one."""
        return self.namespace

    def priority_class_of(self, component: str) -> str | None:
        """The same for all."""
        return self.priority_class


class Authority(Protocol):
    """Makes certificates."""

    @property
    def trust(self) -> pulumi.Input[str]:
        """Changes with the authorities that are trusted; who reads them once starts anew."""

    def leaf(self, component: str, names: Sequence[str], *, client: bool = False) -> pulumi.Resource:
        """Make the Secret `<component>-tls` for these names; `client`: it is shown to others, too."""
