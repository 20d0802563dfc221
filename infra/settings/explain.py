"""Turns a model's refusal into words: where in the file, what is wrong there, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError

#: Between problems that one message reports together.
JOINED = "\n"
Schema = Mapping[str, Any]


def explain(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Path and sentence of each problem; the path is empty where the whole is wrong."""
    for problem in error.errors():
        place, last = problem["loc"][:-1], str(problem["loc"][-1]) if problem["loc"] else ""
        path = _walked(problem["loc"], _schema(model))[0]
        match problem["type"]:
            case "missing":
                about = properties_at(place, model).get(last, {}).get("description", "")
                yield path, f"is missing; set it{about and f' ({about})'}"
            case "extra_forbidden":
                known = sorted(properties_at(place, model))
                near = difflib.get_close_matches(last, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
                yield path, f"nobody reads this key; {hint}"
            case "value_error":
                for line in problem["msg"].removeprefix("Value error, ").split(JOINED):
                    yield path, line
            case _:
                yield path, f"{problem['msg']} (given: {problem['input']!r})"


def properties_at(place: Sequence[str | int], model: type[BaseModel]) -> dict[str, Any]:
    """The properties that an object at this place may have, by name; empty when it is not an object.

    `place` is pydantic's: numbers for members of a list, and the tag where a union was entered.
    """
    return dict(_walked(place, _schema(model))[1].get("properties", {}))


@lru_cache
def _schema(model: type[BaseModel]) -> Schema:
    return model.model_json_schema(by_alias=True)


def _walked(place: Sequence[str | int], schema: Schema) -> tuple[str, Schema]:
    """The path as it stands in the file, where nobody writes a union's tag; and the schema of what is there."""
    path, node = [], schema
    for step in place:
        if "discriminator" in node:
            node = {"$ref": node["discriminator"].get("mapping", {}).get(str(step), "")}
        else:
            path.append(str(step))
            node = _below(node, step)
        node = _resolved(node, schema)
    return ".".join(path), node


def _below(node: Schema, step: str | int) -> Schema:
    if isinstance(step, int):
        found: Schema = node.get("items", {})
    elif "patternProperties" in node:
        [found] = node["patternProperties"].values()
    else:
        found = node.get("properties", {}).get(step, {})
    return found


def _resolved(node: Schema, schema: Schema) -> Schema:
    for reference in (node.get("$ref"), *(option.get("$ref") for option in node.get("anyOf", ()))):
        if reference:
            found: Schema = schema["$defs"][reference.removeprefix("#/$defs/")]
            return found
    return node
