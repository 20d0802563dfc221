"""The JSON schema of a stack, for editors.

`python -m infra.settings.schema` writes `infra/settings/stack.schema.json`; a test keeps it current.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.settings.stack import Stack
from infra.settings.workloads import PoolEntry

SCHEMA_FILE = Path(__file__).with_name("stack.schema.json")


def file_schema() -> dict[str, Any]:
    """Of a whole `Pulumi.<stack>.yaml`."""
    schema = Stack.model_json_schema(by_alias=True)
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
        "$defs": _with_partial(PoolEntry.__name__, schema["$defs"]),
    }


def _with_partial(name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """The definitions, and in this one nothing is required, however deep: what it leaves out comes from elsewhere."""
    made: dict[str, Any] = {}

    def partial(node: Any) -> Any:
        if isinstance(node, list):
            return [partial(inner) for inner in node]
        if not isinstance(node, dict):
            return node
        # Without `kind` several members of a union may fit, so that none of them can be told from it.
        kept = {key: value for key, value in node.items() if key not in {"required", "discriminator"}}
        found = {"anyOf" if key == "oneOf" else key: partial(value) for key, value in kept.items()}
        if reference := node.get("$ref"):
            target = reference.removeprefix("#/$defs/")
            found["$ref"] = f"{reference}Partial"
            made[f"{target}Partial"] = partial(definitions[target])
        return found

    return definitions | {name: partial(definitions[name])} | made


def schema_text() -> str:
    """What stands in the file."""
    return json.dumps(file_schema(), indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text())
