"""Kubernetes' own kinds: one self-contained schema each, out of the API's swagger.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infra.checks.schemas.strict import Schema, of_kind, strict

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
#: The API reads a number where it describes a string: `cpu: 1`.
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
REFERENCE = "#/definitions/"


def definitions(swagger: Mapping[str, Any]) -> dict[str, Schema]:
    """All named schemas, strict; they refer to each other."""
    made = {name: strict(schema) for name, schema in swagger["definitions"].items()}
    if QUANTITY in made:
        made[QUANTITY] = {"type": ["string", "number"]}
    return made


def schemas(swagger: Mapping[str, Any]) -> dict[str, Schema]:
    """The kinds that a manifest can be, by file name."""
    named = definitions(swagger)
    made: dict[str, Schema] = {}
    for name, schema in swagger["definitions"].items():
        metadata = schema.get("properties", {}).get("metadata", {})
        if metadata.get("$ref") != REFERENCE + OBJECT_META:
            continue
        for kind in schema.get("x-kubernetes-group-version-kind", ()):
            api_version = "/".join(filter(None, (kind["group"], kind["version"])))
            whole = of_kind(named[name], api_version, kind["kind"])
            made[file_name(api_version, kind["kind"])] = standalone(whole, named)
    return made


def file_name(api_version: str, kind: str) -> str:
    """Where `store.TEMPLATE` lets kubeconform look: with the whole group, so that a typo in it finds nothing."""
    group, _, version = api_version.rpartition("/")
    return f"{group or version}/{kind.lower()}_{version}.json"


def standalone(schema: Schema, named: Mapping[str, Schema]) -> Schema:
    """The schema with what it refers to put in its place, because kubeconform says of a reference only that it failed.

    A definition that holds itself (the schema of a CRD's schema) stays one, beside the schema.
    """
    whole = _inlined(schema, named, frozenset())
    needed: dict[str, Schema] = {}
    waiting = list(references(whole))
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = named[name]
            waiting += references(named[name])
    return {**whole, "definitions": dict(sorted(needed.items()))} if needed else whole


def _inlined(schema: Schema, named: Mapping[str, Schema], inside: frozenset[str]) -> Schema:
    name = schema.get("$ref", "").removeprefix(REFERENCE)
    if name in inside:
        return {"$ref": schema["$ref"]}
    if name:
        return _inlined(named[name], named, inside | {name})
    return with_parts(schema, lambda part: _inlined(part, named, inside))


def references(schema: Schema) -> set[str]:
    """The names that a strict schema refers to."""
    found: set[str] = {schema["$ref"].removeprefix(REFERENCE)} if "$ref" in schema else set()

    def note(part: Schema) -> Schema:
        found.update(references(part))
        return part

    with_parts(schema, note)
    return found


def with_parts(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """The schema with each schema directly inside it changed."""
    made = dict(schema)
    if "properties" in schema:
        made["properties"] = {name: change(part) for name, part in schema["properties"].items()}
    for word in ("items", "additionalProperties", "not"):
        if isinstance(schema.get(word), dict):
            made[word] = change(schema[word])
    for word in ("allOf", "anyOf", "oneOf"):
        if word in schema:
            made[word] = [change(part) for part in schema[word]]
    return made
