"""Objects of a cluster as data: how they are named, what of them is secret."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Shorter values are no secrets, and hiding them would hide words.
_SHORTEST_SECRET = 8


@dataclass(frozen=True, order=True)
class Ref:
    """One object."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Ref:
        """Whose body this is."""
        metadata = body["metadata"]
        return cls(body["apiVersion"], body["kind"], metadata.get("namespace", ""), metadata["name"])

    def __str__(self) -> str:
        """As a person says it."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def encoded(value: str) -> str:
    """As a Secret holds it."""
    return base64.b64encode(value.encode()).decode()


def decoded(secret: Mapping[str, Any]) -> dict[str, str]:
    """A Secret's values."""
    return {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}


def secret_values(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of a Secret, as they are and as they are kept; none of anything else."""
    if body.get("kind") != "Secret":
        return ()
    written = [one for field in ("stringData", "data") for one in _leaves(body.get(field))]
    return (*written, *(value for one in written for value in _perhaps_decoded(one)))


def _leaves(value: Any) -> Iterator[str]:
    """Every value in it: the API server quotes what has the wrong shape, as Go writes it."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif value is not None:
        yield str(value)


def _perhaps_decoded(value: str) -> tuple[str, ...]:
    """Of a body that the server refuses, perhaps just because it is not what it should be."""
    try:
        return (base64.b64decode(value).decode(),)
    except ValueError:
        return ()


def hide(text: str, secrets: Iterable[str]) -> str:
    """The text without these values."""
    for secret in sorted({str(one) for one in secrets}, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "(secret)")
    return text
