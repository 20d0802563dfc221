"""The pods and containers that a manifest makes, whatever its kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.naming import LABEL_NAME
from infra.policy.manifests import at, component, group, items, kind, mapping, mappings
from infra.policy.model import Manifest

#: Where the pod template stands.
_TEMPLATES: dict[str, tuple[str, ...]] = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}


@dataclass(frozen=True)
class Container:
    """One container of a pod."""

    path: str
    spec: Mapping[str, Any]
    #: Ends before the others start (an init container that is no sidecar).
    init: bool

    @property
    def env(self) -> dict[str, Any]:
        """Its literal environment."""
        return {str(item.get("name")): item.get("value") for item in mappings(self.spec.get("env")) if "value" in item}

    @property
    def command_line(self) -> str:
        """Command and arguments as one string."""
        return " ".join(str(part) for part in (*items(self.spec.get("command")), *items(self.spec.get("args"))))


@dataclass(frozen=True)
class Pod:
    """A pod template, and the manifest that holds it."""

    manifest: Manifest
    path: str
    spec: Mapping[str, Any]
    labels: Mapping[str, Any]

    @property
    def component(self) -> str:
        """Which component of Millrace it is."""
        return str(self.labels.get(LABEL_NAME) or component(self.manifest))

    def containers(self) -> Iterator[Container]:
        """All of them, init containers and sidecars too."""
        for field in ("initContainers", "containers"):
            for index, spec in enumerate(mappings(self.spec.get(field))):
                sidecar = spec.get("restartPolicy") == "Always"
                path = f"{self.path}.{field}[{spec.get('name', index)}]"
                yield Container(path, spec, init=field == "initContainers" and not sidecar)


def pod(manifest: Manifest) -> Pod | None:
    """The pod that this manifest makes, if it makes one."""
    where = _TEMPLATES.get(kind(manifest))
    if where is None or group(manifest) not in {"", "apps", "batch"}:
        return None
    template = mapping(at(manifest, *where))
    return Pod(
        manifest=manifest,
        path=".".join((*where, "spec")),
        spec=mapping(template.get("spec")),
        labels=mapping(at(template, "metadata", "labels")),
    )


def is_cnpg_cluster(manifest: Manifest) -> bool:
    """A PostgreSQL cluster whose pods CloudNativePG's operator makes, from fields of its own."""
    return kind(manifest) == "Cluster" and group(manifest) == "postgresql.cnpg.io"
