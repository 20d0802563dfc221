"""Adds to the OpenAPI document what FastAPI does not know: bodies that routes read themselves, headers, security.

schemathesis checks the gateway against the document (tests/proofs/schemathesis).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from app import contract
from app.errors import DeclarationError
from app.gateway import problems
from app.gateway.answers import Problem
from app.gateway.payloads import DEPTH_MAX, EXPONENT_MAX, EXPONENT_MIN, NUMBER_CHARACTERS_MAX
from app.kinds.declared import Declaration

_NO_NUL = r"^[^\u0000]*$"
_SCHEMAS = "#/components/schemas/"
_RETRY_AFTER = {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}}
_IDS = {
    contract.HEADER_REQUEST_ID: {
        "description": "The id of this request in our logs: the caller's own if it sent a sensible one.",
        "schema": {"type": "string"},
    },
    contract.HEADER_TRACEPARENT: {"description": "W3C trace context.", "schema": {"type": "string"}},
}
_LOCATION: dict[str, Any] = {"Location": {"required": True, "schema": {"type": "string", "format": "uri-reference"}}}
#: The headers of each answer, by its status.
_HEADERS: Mapping[str, dict[str, Any]] = {
    "201": _LOCATION,
    "202": _LOCATION,
    "401": {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    "405": {"Allow": {"required": True, "schema": {"type": "string"}}},
    "429": _RETRY_AFTER,
    "503": _RETRY_AFTER,
}
_SECURITY_SCHEMES = {
    "apiKey": {"type": "apiKey", "in": "header", "name": contract.HEADER_API_KEY},
    "bearer": {"type": "http", "scheme": "bearer"},
}
_JSON: Mapping[str, dict[str, Any]] = {
    "JsonObject": {
        "type": "object",
        "description": (
            "Stored as it was sent. At most 128 KiB of it, white space included (with an object store 4 MiB), at most "
            f"{DEPTH_MAX} levels. No two members of an object have the same name."
        ),
        "propertyNames": {"pattern": _NO_NUL},
        "additionalProperties": {"$ref": f"{_SCHEMAS}JsonValue"},
    },
    "JsonValue": {
        "anyOf": [
            {"type": "null"},
            {"type": "boolean"},
            {
                "type": "number",
                "description": (
                    f"Every digit is kept. At most {NUMBER_CHARACTERS_MAX} characters; an exponent from {EXPONENT_MIN} "
                    f"to {EXPONENT_MAX}. PostgreSQL knows no negative zero."
                ),
            },
            {"type": "string", "pattern": _NO_NUL},
            {"type": "array", "items": {"$ref": f"{_SCHEMAS}JsonValue"}},
            {"$ref": f"{_SCHEMAS}JsonObject"},
        ]
    },
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, as FastAPI takes them: each status with the problems that it may mean."""
    meant = {
        status: [f"`{kind.name}`: {kind.title}." for kind in problems.KINDS if kind.status == status]
        for status in statuses
    }
    return {status: {"model": Problem, "description": " ".join(meant[status])} for status in statuses}


def body(declaration: Declaration) -> dict[str, Any]:
    """The body of a route that takes items of a task."""
    one = {"$ref": _SCHEMAS + declaration.form.model.__name__}
    many = {"type": "array", "minItems": 1, "maxItems": contract.REQUEST_MAX_ITEMS, "items": one}
    key = declaration.form.key
    return {
        "required": True,
        "description": f"No two items of a list have the same {key}." if key else "",
        "content": {"application/json": {"schema": {"anyOf": [one, many]}}},
    }


def complete(document: dict[str, Any], declarations: Mapping[str, Declaration]) -> None:
    """Add to FastAPI's document the schemas of items, and headers, media types and keys of all routes.

    Raises:
        DeclarationError: a model of an item has a name that cannot be used.
    """
    components = document["components"]
    components["securitySchemes"] = _SECURITY_SCHEMES
    components["schemas"] |= _JSON
    components["schemas"] |= _items(declarations, taken=components["schemas"].keys())
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        if "401" in operation["responses"]:
            operation["security"] = [{scheme: []} for scheme in _SECURITY_SCHEMES]
        for status, answer in operation["responses"].items():
            answer["headers"] = _IDS | _HEADERS.get(status, {})
            if status >= "400":
                [schema] = answer["content"].values()
                answer["content"] = {problems.MEDIA_TYPE: schema}


def _items(declarations: Mapping[str, Declaration], *, taken: Collection[str]) -> dict[str, Any]:
    served = [one for one in declarations.values() if one.paths]
    models = {one.form.model.__name__: one.form.model for one in served}
    for one in served:
        name = one.form.model.__name__
        if models[name] is not one.form.model or name in taken or not name.isidentifier():
            raise DeclarationError(
                f"({one.where}: the name of the model {name} is taken or is not an identifier; rename it)"
            )
    names, found = models_json_schema(
        [(model, "validation") for model in models.values()], ref_template=_SCHEMAS + "{model}"
    )
    schemas: dict[str, Any] = found.get("$defs", {})
    if clash := sorted(schemas.keys() & set(taken)):
        raise DeclarationError(f"(a model inside an item is called {clash[0]}, as one of the gateway's own)")
    for one in served:
        name = names[one.form.model, "validation"]["$ref"].removeprefix(_SCHEMAS)
        for member, text in one.form.texts.items():
            # In Python the member is a text; to the caller it is the value that was sent.
            value = "JsonObject" if text.only_objects else "JsonValue"
            schemas[name]["properties"][member] = {"$ref": _SCHEMAS + value}
    return schemas
