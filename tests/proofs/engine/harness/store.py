"""The cluster of the stand-in provider: Kubernetes objects in a file that a test can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Kinds without a namespace. A kind that stands in no list belongs to a namespace.
CLUSTER_SCOPED = frozenset({
    "APIService",
    "ClusterIssuer",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "PersistentVolume",
    "PriorityClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
})  # fmt: skip

Object = Mapping[str, Any]


class StoreError(Exception):
    """An answer that a real API server would give, too."""


@dataclass(frozen=True)
class Store:
    """Objects by key (`Kind/namespace/name` or `Kind/name`), and what happened to them, in order."""

    file: Path

    def begin(self, namespaces: tuple[str, ...]) -> None:
        """A cluster with nothing but these namespaces; one that exists already stays as it is."""
        if not self.file.exists():
            made = {f"Namespace/{name}": {"kind": "Namespace", "metadata": {"name": name}} for name in namespaces}
            self._write({"objects": made, "log": []})

    def objects(self) -> dict[str, Object]:
        """What the cluster holds."""
        return dict(self._read()["objects"])

    def log(self) -> list[tuple[str, str]]:
        """Operation and key, in order."""
        return [(operation, key) for operation, key in self._read()["log"]]

    def create(self, content: Object) -> str:
        """Adds an object; returns its key.

        Raises:
            StoreError: it exists already, or its namespace does not.
        """
        key, objects = key_of(content), self.objects()
        if key in objects:
            raise StoreError(f"{key} already exists")
        if (namespace := namespace_of(content)) and f"Namespace/{namespace}" not in objects:
            raise StoreError(f"{key}: namespaces {namespace!r} not found")
        self._change("create", key, {**objects, key: content})
        return key

    def update(self, key: str, content: Object) -> None:
        """Replaces an object's content."""
        self._change("update", key, {**self.objects(), key: content})

    def delete(self, key: str) -> None:
        """Removes an object, and with a namespace what it holds."""
        inside = f"/{key.removeprefix('Namespace/')}/" if key.startswith("Namespace/") else None
        kept = {name: held for name, held in self.objects().items() if name != key and not (inside and inside in name)}
        self._change("delete", key, kept)

    def _change(self, operation: str, key: str, objects: Mapping[str, Object]) -> None:
        self._write({"objects": objects, "log": [*self._read()["log"], (operation, key)]})

    def _read(self) -> dict[str, Any]:
        return dict(json.loads(self.file.read_text()))

    def _write(self, content: Mapping[str, Any]) -> None:
        self.file.write_text(json.dumps(content, indent=1))


def namespace_of(content: Object) -> str | None:
    """The object's namespace; None for a kind that has none."""
    return None if content["kind"] in CLUSTER_SCOPED else content["metadata"].get("namespace", "default")


def key_of(content: Object) -> str:
    """What the object is called in the store."""
    words = (content["kind"], namespace_of(content), content["metadata"]["name"])
    return "/".join(word for word in words if word)
