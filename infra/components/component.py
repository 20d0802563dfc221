"""The base of every component: a named group of resources that come after others, and are kept where they hold data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi

from infra.ground import Ground
from infra.settings.stack import Stack


class Part(pulumi.ComponentResource):
    """A part that other programs may import. Its resources wait for `after`; who waits for it waits for all of them."""

    def __init__(
        self,
        name: str,
        ground: Ground,
        *,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Register the group, with `opts`; its resources inherit what Pulumi lets children inherit."""
        super().__init__(f"millrace:infra:{type(self).__name__}", name, {}, opts)
        self.ground = ground
        self.after = tuple(after)

    def child(self, *, after: Sequence[pulumi.Resource] = (), **more: Any) -> pulumi.ResourceOptions:
        """Options of a resource of this component."""
        return pulumi.ResourceOptions(parent=self, depends_on=[*self.after, *after], **more)

    def keeper(self, *, after: Sequence[pulumi.Resource] = (), **more: Any) -> pulumi.ResourceOptions:
        """Options of a resource that holds data: in prod nobody removes it by accident, nor loses it with its stack."""
        kept = self.ground.is_prod
        return self.child(after=after, protect=kept, retain_on_delete=kept, **more)


class Component(Part):
    """A part of Millrace, which may look at the whole stack."""

    def __init__(self, name: str, stack: Stack, *, after: Sequence[pulumi.Resource] = ()) -> None:
        """Register the group."""
        super().__init__(name, stack, after=after)
        self.stack = stack
