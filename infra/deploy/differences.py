"""What an apply would change in an object, field by field. A Secret's values are not shown, in neither state."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.deploy.objects import content

HIDDEN = "(secret)"
_LONGEST = 80


@dataclass(frozen=True)
class Difference:
    """One field; an empty side is one that has nothing there."""

    path: str
    before: str
    after: str


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """From one state of an object to another."""
    return tuple(_differences(content(before), content(after), "", hidden=after["kind"] == "Secret"))


def _differences(before: Any, after: Any, path: str, *, hidden: bool) -> Iterator[Difference]:
    if before == after:
        return
    parts = (_parts(before), _parts(after))
    if None in parts or type(before) is not type(after):
        values = hidden and path.startswith(("data", "stringData"))
        yield Difference(path, _shown(before, hidden=values), _shown(after, hidden=values))
        return
    old, new = (one or {} for one in parts)
    for key in sorted(old.keys() | new.keys()):
        inner = f"{path}.{key}" if path else key
        yield from _differences(old.get(key), new.get(key), inner, hidden=hidden)


def _parts(value: Any) -> dict[str, Any] | None:
    """The parts of a mapping by key; those of a list by name, where all have one, otherwise by place."""
    if isinstance(value, Mapping):
        return dict(value)
    if not isinstance(value, list):
        return None
    names = [one.get("name") if isinstance(one, Mapping) else None for one in value]
    if None in names or len(set(names)) < len(names):
        names = [str(place) for place in range(len(value))]
    return {f"[{name}]": one for name, one in zip(names, value, strict=True)}


def _shown(value: Any, *, hidden: bool) -> str:
    if value is None:
        return ""
    if hidden:
        return HIDDEN
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
