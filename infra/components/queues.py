"""The file of queues, for every pod of the application."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.core import v1 as core

from infra import naming
from infra.application import QUEUES_FILE, queues_config_map
from infra.components.component import Component
from infra.settings.stack import Stack
from infra.workloads import metadata


class Queues(Component):
    """A ConfigMap with the stack's file as it is: what the pods read is what the stack was made from."""

    def __init__(self, stack: Stack, *, after: Sequence[pulumi.Resource]) -> None:
        """Before the pods that mount it."""
        super().__init__(naming.QUEUES, stack, after=after)
        core.ConfigMap(
            naming.QUEUES,
            metadata=metadata(stack, naming.QUEUES, queues_config_map(stack)),
            data={QUEUES_FILE: stack.queues_file.text},
            opts=self.child(),
        )
        self.register_outputs({})
