"""A finding of a check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """One fault of one manifest or resource."""

    #: Relative to the folder that was checked; of AWS, the stack.
    file: str
    kind: str
    name: str
    #: What found it: a tool, or `suppression` and `accepted`: our own rules about what tools find.
    tool: str
    #: The rule's identifier, or the path inside the manifest.
    where: str
    what: str


class CheckError(RuntimeError):
    """A check could not be made, which is not the same as having found nothing."""
