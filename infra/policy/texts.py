"""Every piece of text in a manifest, one line at a time, with where it stands and what it is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.policy.manifests import at, kind
from infra.policy.model import Manifest

#: Secrets have a rule of their own; descriptions in a CRD are prose.
SKIPPED_KINDS = {"Secret", "CustomResourceDefinition"}
#: What the server or kubectl writes, not we.
SKIPPED_KEYS = {"managedFields", "status", "kubectl.kubernetes.io/last-applied-configuration"}
COMMENTS = ("#", "%", ";", "//", "-- ")


@dataclass(frozen=True)
class Text:
    """One line. `name` is the variable's, the file's or the field's name; empty for a line of many."""

    path: str
    name: str
    value: str
    #: An environment variable or a ConfigMap's content: what a process reads as it stands.
    read_by_process: bool

    @property
    def assignment(self) -> str:
        """As one string, for patterns that need both halves; a line of many brings its own name."""
        return f"{self.name}={self.value}" if self.name else self.value


def texts(manifest: Manifest) -> Iterator[Text]:
    """All of them; comments left out."""
    if kind(manifest) not in SKIPPED_KINDS:
        yield from _walk(manifest, "", "", read=False)


def _walk(value: Any, path: str, name: str, *, read: bool) -> Iterator[Text]:
    if isinstance(value, Mapping):
        yield from _mapping(value, path, read=read)
    elif isinstance(value, str | bool | int | float):
        yield from _lines(value, path, name, read=read)
    elif isinstance(value, Sequence):
        if all(isinstance(item, str) for item in value):
            # A command: its words belong together.
            yield from _lines(" ".join(value), path, name, read=read)
        else:
            for index, item in enumerate(value):
                yield from _walk(item, f"{path}[{at(item, 'name') or index}]", name, read=read)


def _mapping(value: Mapping[str, Any], path: str, *, read: bool) -> Iterator[Text]:
    if isinstance(value.get("name"), str) and isinstance(value.get("value"), str | int | float):
        yield from _lines(value["value"], path, value["name"], read=True)
        return
    for key, item in value.items():
        if key not in SKIPPED_KEYS:
            yield from _walk(item, f"{path}.{key}" if path else key, key, read=read or (path == "" and key == "data"))


def _lines(value: str | float, path: str, name: str, *, read: bool) -> Iterator[Text]:
    lines = (str(value).lower() if isinstance(value, bool) else str(value)).splitlines()
    for number, line in enumerate(lines, 1):
        if len(lines) == 1:
            yield Text(path, name, line, read)
        elif line.strip() and not line.strip().startswith(COMMENTS):
            yield Text(f"{path}:{number}", "", line.strip(), read)
