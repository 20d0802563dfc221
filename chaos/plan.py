"""What a fault does to one target: the steps there, the steps back, and how to see that it is in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chaos.components import Member
from chaos.management import Management
from chaos.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a fault may look at when it is planned and when it is proved."""

    management: Management
    #: The same container as it is now.
    look: Callable[[Member], Member]
    #: Every member of a component, running or not.
    every: Callable[[str], tuple[Member, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A fault of one member, as data and one question."""

    what: str
    inject: tuple[Step, ...]
    undo: tuple[Step, ...]
    #: What shows that the fault is not in place; empty while it is.
    lacks: Callable[[], str] = field(compare=False)
