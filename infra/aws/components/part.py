"""The base of every part: a named group of resources, of which some hold data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi


@dataclass(frozen=True)
class Place:
    """Where a server stands, who reaches it, and the key of its data."""

    subnet_ids: Sequence[pulumi.Input[str]]
    group_id: pulumi.Input[str]
    key_arn: pulumi.Input[str]


class Part(pulumi.ComponentResource):
    """A group. Where `kept`, nobody removes what holds data by accident, nor loses it with its stack."""

    def __init__(self, name: str, *, kept: bool = False, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the group."""
        super().__init__(f"millrace:aws:{type(self).__name__}", name, {}, opts)
        self.kept = kept

    def child(self, **more: Any) -> pulumi.ResourceOptions:
        """Options of a resource of this part."""
        return pulumi.ResourceOptions(parent=self, **more)

    def keeper(self, **more: Any) -> pulumi.ResourceOptions:
        """Options of a resource that holds data."""
        return self.child(protect=self.kept, retain_on_delete=self.kept, **more)
