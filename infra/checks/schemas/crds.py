"""Kinds that operators add: their CRDs as manifests, and one schema for each version that is served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from infra.checks.schemas.kubernetes import OBJECT_META, REFERENCE, file_name, standalone
from infra.checks.schemas.strict import Schema, of_kind, strict


class Loader(yaml.CSafeLoader):
    """Reads `=` as a word: prometheus-operator has it in an enum, and YAML 1.1 gives it a meaning of its own."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda _, node: str(node.value))


def documents(text: str) -> list[dict[str, Any]]:
    """The CRDs of a file, which may be a chart's template: its `{{` lines carry labels only, and are left out."""
    plain = "\n".join(line for line in text.splitlines() if "{{" not in line)
    found = yaml.load_all(plain, Loader=Loader)
    return [_tidy(crd) for crd in found if crd and crd.get("kind") == "CustomResourceDefinition"]


def _tidy(crd: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in crd["metadata"].items() if value is not None}
    return {**{key: value for key, value in crd.items() if key != "status"}, "metadata": metadata}


def schemas(crds: Iterable[Mapping[str, Any]], named: Mapping[str, Schema]) -> dict[str, Schema]:
    """A schema for each kind and served version, by file name; `named` are the definitions of Kubernetes itself."""
    made: dict[str, Schema] = {}
    for crd in crds:
        spec = crd["spec"]
        for version in spec["versions"]:
            if version["served"]:
                api_version = f"{spec['group']}/{version['name']}"
                schema = _with_metadata(version["schema"]["openAPIV3Schema"])
                whole = standalone(of_kind(schema, api_version, spec["names"]["kind"]), named)
                made[file_name(api_version, spec["names"]["kind"])] = whole
    return made


def _with_metadata(schema: Schema) -> Schema:
    # A CRD describes its metadata as "an object" only: the API server knows better, and so do we.
    closed = strict(schema)
    metadata = {"$ref": REFERENCE + OBJECT_META}
    return {**closed, "properties": {**closed.get("properties", {}), "metadata": metadata}}
