"""The JSON schema of a stack: for editors, and for saying what belongs at a path.

`python -m infra.settings.schema` writes `infra/settings/stack.schema.json`; a test keeps it current.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from infra.settings.stack import Stack

SCHEMA_FILE = Path(__file__).with_name("stack.schema.json")


@lru_cache(maxsize=1)
def stack_schema() -> dict[str, Any]:
    """Of the values below `config`, without the `millrace:` before each."""
    return Stack.model_json_schema(by_alias=True)


def file_schema() -> dict[str, Any]:
    """Of a whole `Pulumi.<stack>.yaml`."""
    schema = stack_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stack of Millrace",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": {f"millrace:{name}": value for name, value in schema["properties"].items()},
                "required": [f"millrace:{name}" for name in schema["required"]],
                "patternProperties": {"^(kubernetes|pulumi|random):": {}},
                "additionalProperties": False,
            }
        },
        "required": ["config"],
        "$defs": schema["$defs"],
    }


def properties_at(path: Sequence[str | int]) -> dict[str, Any]:
    """The properties that an object at this path of the stack may have, by name; empty when it is not an object.

    `path` is pydantic's: numbers for members of a list, and the tag where a union was entered.
    """
    schema = stack_schema()
    node: dict[str, Any] = schema
    for step in path:
        node = _resolve(node, schema)
        if "discriminator" in node:
            node = (
                {"$ref": node["discriminator"]["mapping"].get(str(step), "")}
                if "mapping" in node["discriminator"]
                else {}
            )
        elif isinstance(step, int):
            node = node.get("items", {})
        else:
            node = node.get("properties", {}).get(step, {})
    return dict(_resolve(node, schema).get("properties", {}))


def _resolve(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    for reference in (node.get("$ref"), *(option.get("$ref") for option in node.get("anyOf", ()))):
        if reference:
            return dict(schema["$defs"][reference.removeprefix("#/$defs/")])
    return node


def schema_text() -> str:
    """What stands in the file."""
    return json.dumps(file_schema(), indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text())
