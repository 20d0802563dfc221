"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """One fault of one manifest."""

    #: Relative to the folder that was checked.
    file: str
    kind: str
    name: str
    #: Who says so: kubeconform, checkov, or suppression for our own rule about checkov's.
    tool: str
    #: The rule's identifier, or the path inside the manifest.
    where: str
    what: str


class CheckError(RuntimeError):
    """A check could not be made, which is not the same as having found nothing."""
