"""A stack as the program registers it, and as manifests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.render.manifests import Manifest, manifests
from infra.render.recorder import Registered, record
from infra.settings.load import parse, read_stack_file
from infra.settings.stack import Stack

ROOT = Path(__file__).parents[3]
STACKS = ("staging", "prod")


@dataclass(frozen=True)
class Rendered:
    """One stack: its settings, what the program registered, and the manifests of it."""

    stack: Stack
    config: Mapping[str, str]
    registered: tuple[Registered, ...]
    manifests: tuple[Manifest, ...]

    def bodies(self, *kinds: str) -> list[Mapping[str, Any]]:
        """The manifests of these kinds; all without."""
        return [one.body for one in self.manifests if not kinds or one.kind in kinds]

    def one(self, kind: str, name: str) -> Manifest:
        """The manifest of this kind and name."""
        [found] = [one for one in self.manifests if (one.kind, one.name) == (kind, name)]
        return found

    def registration(self, manifest: Manifest) -> Registered:
        """What the program said of it beside its content."""
        [found] = [one for one in self.registered if one.urn == manifest.urn]
        return found


def render(name: str, config: Mapping[str, str]) -> Rendered:
    """Run the program; every generated password is its own name, marked."""
    registered = record(config, name, lambda password: f"marked-{password}")
    return Rendered(parse(config, name), config, registered, manifests(registered))


def config_of_redis() -> dict[str, Any]:
    """What a stack says for Redis as its broker."""
    return {"kind": "redis", "resources": {"cpu": "250m", "cpuLimit": "1", "memory": "512Mi"}, "storage": "2Gi"}


def config_of(name: str) -> dict[str, str]:
    """The stack file's configuration."""
    return read_stack_file(ROOT / f"Pulumi.{name}.yaml")
