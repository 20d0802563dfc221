"""Refuses a change by what runs, which the engine's state knows and the settings alone do not (ADR 0053).

A hook of the resource compares: the preview is refused, and so is an update without a preview, before the resource is
touched. The state is as old as the last update or `pulumi refresh`. After a change by hand, run `pulumi refresh`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pulumi
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.settings import get_monitor

#: What is wrong with a change, a sentence each, from the resource as it is and as it shall be.
Refused = Callable[[Mapping[str, Any], Mapping[str, Any]], Iterable[str]]


class RefusedChangeError(Exception):
    """What the stack file asks for cannot be done to what runs, or not in one step."""


def unless(refused: Refused, *, name: str) -> pulumi.ResourceHookBinding | None:
    """Hooks of a resource, which let a change pass if nothing is wrong with it.

    `name` must be unique in the program.
    """
    if isinstance(get_monitor(), MockMonitor):  # Pulumi's mocks take no hooks (3.246), and know nothing that runs
        return None

    def compare(change: pulumi.ResourceHookArgs) -> None:
        if problems := list(refused(change.old_outputs or {}, change.new_inputs or {})):
            raise RefusedChangeError("; ".join(problems))

    hook = pulumi.ResourceHook(name, compare, pulumi.ResourceHookOptions(on_dry_run=True))
    return pulumi.ResourceHookBinding(before_update=[hook])
