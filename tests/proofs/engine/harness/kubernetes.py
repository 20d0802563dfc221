"""Stands in for the plugin `pulumi-resource-kubernetes`: the same answers to the engine, and a file for a cluster.

What it does as the real one (provider/pkg/provider/provider.go of pulumi/pulumi-kubernetes, 4.3x): names what has no
name, replaces what cannot be changed, deletes first what has a fixed name, keeps secret what was secret and every
Secret's data. What it does not: defaults of the API server, waiting for readiness, server-side apply, Helm and YAML.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi.provider.experimental import provider as rpc
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import main

from infra.lab.plugins.values import Kind, Properties, changes, plain, value
from tests.proofs.engine.harness.force_new import replaces
from tests.proofs.engine.harness.store import Store, StoreError, key_of

STORE_VARIABLE = "MILLRACE_ENGINE_STORE"
_AUTONAMED = "pulumi.com/autonamed"
_INPUTS = "__inputs"
_MUTABLE = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}


class Kubernetes(rpc.Provider):
    """Objects of any kind, custom ones included."""

    def __init__(self, store: Store) -> None:
        """Keeps its objects in the store."""
        self._store = store
        self._mutable: frozenset[str] = frozenset()

    async def configure(self, request: rpc.ConfigureRequest) -> rpc.ConfigureResponse:
        """Takes the provider's settings."""
        settings = plain(request.args)
        self._mutable = frozenset(kind for kind, name in _MUTABLE.items() if str(settings.get(name)).lower() == "true")
        return rpc.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check(self, request: rpc.CheckRequest) -> rpc.CheckResponse:
        """The inputs, with a name, and a Secret's data marked secret."""
        named = _named(request.new_inputs, plain(request.old_inputs), request.name, request.random_seed)
        return rpc.CheckResponse(inputs=_marked(named))

    async def diff(self, request: rpc.DiffRequest) -> rpc.DiffResponse:
        """Field by field, against what was applied last."""
        old, new = plain(request.old_state).get(_INPUTS, {}), plain(request.new_inputs)
        found = {change: replaces(new["kind"], change, mutable=self._mutable) for change in changes(old, new)}
        replacing = [str(change) for change, replaced in found.items() if replaced]
        fixed = _AUTONAMED not in new["metadata"].get("annotations", {}) and key_of(old) == key_of(new)
        return rpc.DiffResponse(
            changes=bool(found),
            replaces=replacing,
            delete_before_replace=bool(replacing) and fixed,
            detailed_diff={
                str(change): rpc.PropertyDiff(_kind(change.kind, replaced=replaced), input_diff=False)
                for change, replaced in found.items()
            },
        )

    async def create(self, request: rpc.CreateRequest) -> rpc.CreateResponse:
        """Adds the object."""
        content = plain(request.properties)
        key = key_of(content) if request.preview else self._store.create(content)
        return rpc.CreateResponse(_identity(key), _state(request.properties))

    async def update(self, request: rpc.UpdateRequest) -> rpc.UpdateResponse:
        """Changes the object."""
        content = plain(request.news)
        if not request.preview:
            self._store.update(key_of(content), content)
        return rpc.UpdateResponse(_state(request.news))

    async def delete(self, request: rpc.DeleteRequest) -> None:
        """Removes the object."""
        self._store.delete(key_of(plain(request.properties)))

    async def read(self, request: rpc.ReadRequest) -> rpc.ReadResponse:
        """What the cluster holds now, for `refresh` and for `.get()`; an empty identity says that it is gone."""
        kind = plain(request.properties).get("kind") or request.type.rpartition(":")[2]
        matching = (key for key in self._store.objects() if key.startswith(f"{kind}/"))
        key = next((key for key in matching if _identity(key) == request.resource_id), None)
        if key is None:
            return rpc.ReadResponse("")
        live = _marked({name: value(item) for name, item in self._store.objects()[key].items()})
        return rpc.ReadResponse(request.resource_id, _state(live), live)

    async def invoke(self, request: rpc.InvokeRequest) -> rpc.InvokeResponse:
        """Helm charts and YAML files are rendered by the real plugin only."""
        raise StoreError(f"{request.tok} needs the real provider")


def _identity(key: str) -> str:
    return key.partition("/")[2]


def _state(inputs: Properties) -> dict[str, PropertyValue]:
    return {**inputs, _INPUTS: PropertyValue(inputs)}


def _marked(inputs: Properties) -> dict[str, PropertyValue]:
    secret = {"data", "stringData"} if plain(inputs).get("kind") == "Secret" else set()
    return {key: item.with_secret(is_secret=item.is_secret or key in secret) for key, item in inputs.items()}


def _named(inputs: Properties, old: Mapping[str, Any], name: str, seed: bytes) -> Properties:
    metadata = plain(inputs).get("metadata") or {}
    if metadata.get("name"):
        return inputs
    before = old.get("metadata", {})
    kept = before.get("name") if _AUTONAMED in before.get("annotations", {}) else None
    given = kept or f"{name}-{seed.hex()[:8]}"
    annotations = {**metadata.get("annotations", {}), _AUTONAMED: "true"}
    return {**inputs, "metadata": value({**metadata, "name": given, "annotations": annotations})}


def _kind(kind: Kind, *, replaced: bool) -> rpc.PropertyDiffKind:
    return rpc.PropertyDiffKind[f"{kind.value}_REPLACE" if replaced else kind.value]


if __name__ == "__main__":
    main(sys.argv[1:], "4.34.2", Kubernetes(Store(Path(os.environ[STORE_VARIABLE]))))
