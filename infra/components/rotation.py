"""Which generations of its credentials a stack has reached: noted in the cluster, so that no step is left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulumi
from pulumi_kubernetes.core import v1 as core

from infra.components import changes
from infra.components.component import Component
from infra.settings.rotation import skipped
from infra.settings.stack import Stack
from infra.workloads import metadata

BEGUN, ENDED = "rotation-begun", "rotation-ended"


class Rotation(Component):
    """A ConfigMap with the generations of each credential, which refuses a step that cuts somebody off.

    A stack has two: the first changes before anything else does, the second waits for everything. So after a
    deployment that failed half-way the second still has the old generations, which clients may use.
    """

    def __init__(self, stack: Stack, name: str, *, after: Sequence[pulumi.Resource]) -> None:
        """Note the generations that are accepted when `after` is there."""
        super().__init__(name, stack, after=after)
        generations = {user: json.dumps(stack.generations(user)) for user in stack.credentials}
        core.ConfigMap(
            name,
            metadata=metadata(stack, name),
            data=generations,
            opts=self.child(hooks=changes.unless(_refused, name=f"{name} goes on")),
        )
        self.register_outputs({})


def _refused(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for user, generations in after["data"].items():
        if noted := before["data"].get(user):
            yield from skipped(user, json.loads(noted), json.loads(generations))
