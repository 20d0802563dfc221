"""Pulumi's property values as plain data, and the differences between two of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime import rpc

Properties = Mapping[str, PropertyValue]
Path = tuple[str | int, ...]
#: What a preview cannot know yet, on the wire. The SDK's PropertyValue (3.246) leaves it as the string that it is.
UNKNOWN = rpc.UNKNOWN


class Kind(Enum):
    """What happened to a field."""

    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


@dataclass(frozen=True)
class Change:
    """One field that differs."""

    path: Path
    kind: Kind

    def __str__(self) -> str:
        """The path as Pulumi writes it: spec.containers[0], labels["a.b/c"]."""
        words = [
            f"[{key}]" if isinstance(key, int) else f".{key}" if key.isidentifier() else f"[{json.dumps(key)}]"
            for key in self.path
        ]
        return "".join(words).removeprefix(".")


def plain(value: PropertyValue | Properties) -> Any:
    """The data without what says which of it is secret."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    inner = value.value
    if isinstance(inner, Mapping):
        return plain(inner)
    if isinstance(inner, Sequence) and not isinstance(inner, str):
        return [plain(item) for item in inner]
    return int(inner) if isinstance(inner, float) and inner.is_integer() else inner


def value(data: Any, *, secret: bool = False) -> PropertyValue:
    """Plain data as a property value."""
    if isinstance(data, Mapping):
        return PropertyValue({key: value(item) for key, item in data.items()}, secret)
    if isinstance(data, list):
        return PropertyValue([value(item) for item in data], secret)
    return PropertyValue(float(data) if isinstance(data, int) and not isinstance(data, bool) else data, secret)


def changes(old: Any, new: Any, path: Path = ()) -> Iterator[Change]:
    """The fields in which two pieces of plain data differ. What is unknown differs from everything."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            if key not in new:
                yield Change((*path, key), Kind.DELETE)
            elif key not in old:
                yield Change((*path, key), Kind.ADD)
            else:
                yield from changes(old[key], new[key], (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from changes(before, after, (*path, number))
    elif old != new or new == UNKNOWN:
        yield Change(path, Kind.UPDATE)
