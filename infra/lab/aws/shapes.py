"""From Pulumi's properties to the arguments of boto3, and back: by their names, as botocore's own model has them.

`kmsKeyId` is `KmsKeyId`, `rules` is `Rules` or `Rule`. Where a service says something else, a kind says so in
`renames`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

Renames = Mapping[str, str]


def fit(shape: Any, value: Any, renames: Renames, without: Collection[str] = ()) -> Any:
    """The value in the form that this shape of botocore's takes. What the shape does not know is left out."""
    if shape.type_name == "structure":
        inputs = value[0] if isinstance(value, list) else value
        found = {name: find(name, inputs, renames) for name in shape.members if name not in without}
        return {name: fit(shape.members[name], one, renames) for name, one in found.items() if one is not None}
    if shape.type_name == "list":
        if isinstance(value, Mapping) and (name := _name_of_pairs(shape.member)):
            return [{name: key, "Value": str(one)} for key, one in value.items()]
        return [fit(shape.member, one, renames) for one in (value if isinstance(value, list) else [value])]
    if shape.type_name == "map":
        return {key: fit(shape.value, one, renames) for key, one in value.items()}
    plain: Callable[[Any], Any] = _PLAIN.get(shape.type_name, _text)
    return plain(value)


def _name_of_pairs(shape: Any) -> str:
    """What the key is called in a list of keys and values; nothing if it is another list."""
    members = set(shape.members) if shape.type_name == "structure" else set()
    return next((name for name in ("Key", "Name") if members == {name, "Value"}), "")


def find(member: str, inputs: Mapping[str, Any], renames: Renames) -> Any:
    """What the inputs have under a member's name."""
    for key, value in inputs.items():
        if value is not None and _same(renames.get(key, key), member):
            return value
    return None


def seen(given: Any, said: Any, renames: Renames) -> Any:
    """What a server said of the value that it was given, in the form in which it was given.

    What it says nothing of is as it was given.
    """
    if said is None or said == given:
        return given
    if isinstance(given, Mapping):
        return _block(given, _mapping(said), renames)
    if isinstance(given, list):
        return _list(given, said if isinstance(said, list) else [said], renames)
    if isinstance(given, bool | int | float):
        return _truth(said) if isinstance(given, bool) else type(given)(said)
    return given if _meaning(given) == _meaning(said) else _text(said)


def _block(given: Mapping[str, Any], said: Any, renames: Renames) -> Any:
    if not isinstance(said, Mapping):
        return said
    return {key: seen(value, _said(key, said, renames), renames) for key, value in given.items()}


def _said(key: str, said: Mapping[str, Any], renames: Renames) -> Any:
    for name in (key, renames.get(key, key)):
        if name in said:
            return said[name]
    matching = (value for name, value in said.items() if _same(key, name) or _same(renames.get(key, key), name))
    return next(matching, None)


def _same(key: str, member: str) -> bool:
    mine, theirs = key.lower(), member.lower()
    return theirs in {mine, f"{mine}s", mine.removesuffix("s")}


def _list(given: list[Any], said: list[Any], renames: Renames) -> list[Any]:
    if any(isinstance(one, Mapping) for one in given):
        named = {one.get("ParameterName"): one for one in said if isinstance(one, Mapping)}
        if all("name" in one and one["name"] in named for one in given):
            return [seen(one, named[one["name"]], renames) for one in given]
        if len(given) != len(said):
            return said
        return [seen(one, other, renames) for one, other in zip(given, said, strict=True)]
    # AWS keeps some lists as sets and returns them in any order.
    return given if sorted(map(str, given)) == sorted(map(str, said)) else said


def _mapping(said: Any) -> Any:
    """Pairs of names and values as a mapping, and the one thing in a list without the list."""
    if not isinstance(said, list):
        return said
    for name in ("Key", "TagKey", "Name"):
        if said and all(isinstance(one, Mapping) and {name} < set(one) for one in said):
            return {one[name]: next(value for key, value in one.items() if key != name) for one in said}
    return said[0] if len(said) == 1 else said


def _meaning(text: Any) -> Any:
    if isinstance(text, str) and text[:1] in "{[":
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text if isinstance(text, Mapping | list) else _text(text)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, Mapping | list) else str(value)


def _truth(value: Any) -> bool:
    return str(value).lower() == "true"


_PLAIN: Mapping[str, Callable[[Any], Any]] = {
    "boolean": _truth,
    "double": float,
    "float": float,
    "integer": int,
    "long": int,
}
