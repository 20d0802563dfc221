"""An item of a declared task, from the gateway's OpenAPI document: its example, or one made from its schema."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from loadtests.closed_loop.gateway import SettingError

_TASKS = "/v1/tasks/"
_FORMATS: Mapping[str, Callable[[], str]] = {
    "date-time": lambda: datetime.now(UTC).isoformat(),
    "date": lambda: datetime.now(UTC).date().isoformat(),
    "time": lambda: "12:00:00Z",
    "uuid": lambda: str(uuid.uuid4()),
    "email": lambda: "example@example.org",
    "uri": lambda: "https://example.org/",
}
#: Tried in this order where a schema has a pattern, cut and filled to its length.
_TEXTS = ("example", "a", "A", "EUR", "1", "a1", "2026-01-01", "00:00:00", "0" * 64)


def schema_of(document: Mapping[str, Any], task: str) -> Mapping[str, Any]:
    """The schema of what the task takes.

    Raises:
        SettingError: the gateway does not declare the task.
    """
    declared = sorted(path.removeprefix(_TASKS) for path in document["paths"] if path.startswith(_TASKS))
    if task not in declared:
        raise SettingError(f"the gateway declares no task {task!r}. It declares {', '.join(declared) or 'none'}.")
    body = document["paths"][_TASKS + task]["post"]["requestBody"]
    schema: Mapping[str, Any] = body["content"]["application/json"]["schema"]
    return schema


def item(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """An item; what identifies it is new each time.

    Raises:
        SettingError: the schema says too little.
    """
    try:
        return _value(document, schema, name="")
    except (LookupError, RecursionError) as error:
        raise SettingError(f"no example of its item can be made: {error}. Give an item with --body FILE.") from error


def _value(document: Mapping[str, Any], schema: Mapping[str, Any], *, name: str) -> Any:
    if "$ref" in schema:
        part: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            part = part[step]
        return _value(document, part, name=name)
    if _identifies(name, schema):
        return _text(schema, name=name)
    for told in ("const", "default", "example"):
        if told in schema:
            return schema[told]
    for told in ("examples", "enum"):
        if schema.get(told):
            return schema[told][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return _value(document, schema[choice][0], name=name)
    return _of_type(document, schema, name=name)


def _of_type(document: Mapping[str, Any], schema: Mapping[str, Any], *, name: str) -> Any:
    match schema.get("type", "object"):
        case "object":
            members = {
                member: _value(document, schema.get("properties", {})[member], name=member)
                for member in schema.get("required", ())
            }
            if len(members) < schema.get("minProperties", 0):
                members["example"] = _value(document, schema["additionalProperties"], name="example")
            return members
        case "array":
            return [_value(document, schema["items"], name=name) for _ in range(schema.get("minItems", 0))]
        case "string":
            return _text(schema, name=name)
        case "integer" | "number":
            lowest = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
            return max(lowest, min(1, schema.get("maximum", 1)))
        case "boolean":
            return True
        case _:
            return None


def _identifies(name: str, schema: Mapping[str, Any]) -> bool:
    """Whether a member is an id, by its name or format: sent again, it would be the same item."""
    is_text = schema.get("type") == "string"
    return is_text and (name == "id" or name.endswith("_id") or schema.get("format") == "uuid")


def _text(schema: Mapping[str, Any], *, name: str) -> str:
    made = _FORMATS.get(str(schema.get("format")))
    if made is not None:
        return made()
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 100)
    candidates = (str(uuid.uuid4()), uuid.uuid4().hex) if _identifies(name, schema) else ()
    for candidate in (*candidates, *_TEXTS):
        text: str = candidate.ljust(shortest, candidate[-1])[:longest]
        if re.search(schema.get("pattern", ""), text):
            return text
    raise LookupError(f"no text for {name!r} is known that has the form {schema['pattern']}")
