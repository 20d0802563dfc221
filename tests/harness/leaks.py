"""Looks for passwords in clear: in the files of the backend, and in objects that are no Secrets."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

#: The outputs of each kind that nobody else may know.
_MADE = {
    "random:index/randomPassword:RandomPassword": ("result", "bcryptHash"),
    "random:index/randomBytes:RandomBytes": ("base64", "hex"),
}


def passwords(state_in_clear: Mapping[str, Any]) -> frozenset[str]:
    """Every value that a random resource of this state made."""
    return frozenset(
        _clear(resource["outputs"][name])
        for resource in state_in_clear["resources"]
        for name in _MADE.get(resource["type"], ())
    )


def in_files(folder: Path, passwords: frozenset[str]) -> list[str]:
    """The files below this folder that hold a password, as it is or in base64."""
    forms = [form.encode() for password in passwords for form in _forms(password)]
    return [
        str(file.relative_to(folder))
        for file in sorted(folder.rglob("*"))
        if file.is_file() and any(form in file.read_bytes() for form in forms)
    ]


def in_objects(objects: Mapping[str, Mapping[str, Any]], passwords: frozenset[str]) -> list[str]:
    """The names of those objects, other than Secrets, that hold a password."""
    return [
        key
        for key, content in objects.items()
        if content["kind"] != "Secret"
        and any(form in text for text in _strings(content) for password in passwords for form in _forms(password))
    ]


def _forms(password: str) -> tuple[str, str]:
    return password, base64.b64encode(password.encode()).decode()


def _clear(value: Any) -> str:
    # A secret is an object whose `plaintext` is JSON.
    return str(json.loads(value["plaintext"]) if isinstance(value, Mapping) else value)


def _strings(content: Any) -> Iterator[str]:
    if isinstance(content, Mapping):
        for key, item in content.items():
            yield key
            yield from _strings(item)
    elif isinstance(content, list):
        for item in content:
            yield from _strings(item)
    elif isinstance(content, str):
        yield content
