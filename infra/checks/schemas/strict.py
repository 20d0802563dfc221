"""OpenAPI schemas as strict JSON schemas: a field that is not described is refused, as the API server does it.

The walk follows the structure of a schema, because fields of an API are called `format` or `properties` too.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

#: Keywords that say something of values, and that JSON schema (draft 4, which kubeconform assumes) has as well.
KEPT = frozenset(
    {
        "$ref",
        "type",
        "format",
        "enum",
        "pattern",
        "required",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
    }
    | {"minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "multipleOf"}
)
INT_OR_STRING: Schema = {"type": ["integer", "string"]}


def strict(schema: Schema, *, close: bool = True) -> Schema:
    """The schema, closed: objects with described fields take no others.

    Args:
        schema: of OpenAPI 2 (swagger.json) or 3 (CRDs).
        close: False inside allOf, anyOf and oneOf, which name some of the fields that the object around them describes.
    """
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        limits = {key: value for key, value in schema.items() if key in KEPT - {"type", "format"}}
        return {**limits, **INT_OR_STRING}
    result: Schema = {key: value for key, value in schema.items() if key in KEPT}
    if "properties" in schema:
        result["properties"] = {name: strict(field, close=close) for name, field in schema["properties"].items()}
    result |= _rest_of_fields(schema, close=close)
    if isinstance(schema.get("items"), dict):
        result["items"] = strict(schema["items"], close=close)
    for word in ("allOf", "anyOf", "oneOf"):
        if word in schema:
            result[word] = [strict(part, close=False) for part in schema[word]]
    if "not" in schema:
        result["not"] = strict(schema["not"], close=False)
    return _nullable(result) if schema.get("nullable") else result


def _rest_of_fields(schema: Schema, *, close: bool) -> Schema:
    described = schema.get("additionalProperties")
    if isinstance(described, dict):
        return {"additionalProperties": strict(described, close=close)}
    if isinstance(described, bool):
        return {"additionalProperties": described}
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") or "properties" not in schema
    return {} if is_open or not close else {"additionalProperties": False}


def _nullable(schema: Schema) -> Schema:
    if "enum" in schema:
        schema = {**schema, "enum": [*schema["enum"], None]}
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else schema


def of_kind(schema: Schema, api_version: str, kind: str) -> Schema:
    """The schema of a whole manifest: both words that name it are fixed, in their exact spelling."""
    properties = {**schema.get("properties", {}), "apiVersion": {"enum": [api_version]}, "kind": {"enum": [kind]}}
    required = sorted({*schema.get("required", ()), "apiVersion", "kind", "metadata"})
    return {**schema, "properties": properties, "required": required}
