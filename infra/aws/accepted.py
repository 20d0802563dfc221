"""A finding of a scanner that stays, and why; each stands in the module of the resource that it is about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """One check of one type of resource."""

    check: str
    #: Terraform's.
    type: str
    reason: str
    #: Whether it stays in prod, too.
    in_prod: bool = True
