"""What every component is: a named group of resources that come after others, and are kept where they hold data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi

from infra.settings.stack import Stack


class Component(pulumi.ComponentResource):
    """A part of the system. Its resources wait for `after`; whoever names it in their `after` waits for all of them."""

    def __init__(self, name: str, stack: Stack, *, after: Sequence[pulumi.Resource] = ()) -> None:
        """Register the group."""
        super().__init__(f"millrace:infra:{type(self).__name__}", name, {})
        self.stack = stack
        self.after = tuple(after)

    def child(self, *, after: Sequence[pulumi.Resource] = (), **more: Any) -> pulumi.ResourceOptions:
        """Options of a resource of this component."""
        return pulumi.ResourceOptions(parent=self, depends_on=[*self.after, *after], **more)

    def keeper(self, *, after: Sequence[pulumi.Resource] = (), **more: Any) -> pulumi.ResourceOptions:
        """Options of a resource that holds data: in prod nobody removes it by accident, nor loses it with its stack."""
        kept = self.stack.is_prod
        return self.child(after=after, protect=kept, retain_on_delete=kept, **more)
