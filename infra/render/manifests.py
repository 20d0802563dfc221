"""From what was registered to manifests in the order in which they can be applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.render.recorder import Registered, SecretValue

#: Of the annotation that a rendered Secret carries in place of its values: which keys it will have.
ANNOTATION_KEYS = "millrace.dev/generated-keys"
#: Of an object that holds what cannot be made again: whoever prunes or destroys leaves it, unless told by name.
ANNOTATION_PROTECT = "millrace.dev/protect"


class RenderError(Exception):
    """The program made something that must not be written down."""


@dataclass(frozen=True)
class Manifest:
    """One object, its place in the order, and how it is to be kept."""

    wave: int
    #: Not shown: with secrets it has their values.
    body: Mapping[str, Any] = field(repr=False)
    urn: str
    protect: bool

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace; empty when it has none."""
        return str(self.body["metadata"].get("namespace", ""))

    @property
    def file_name(self) -> str:
        """Sorts by wave, then says what it is."""
        parts = (f"{self.wave:02d}", self.kind.lower(), self.namespace, self.name)
        return "-".join(part for part in parts if part) + ".yaml"


def manifests(registered: Sequence[Registered], *, with_secrets: bool = False) -> tuple[Manifest, ...]:
    """All Kubernetes objects, each in a wave after those it depends on; within a wave by kind and name.

    Without `with_secrets` a Secret has the names of its keys and no values.

    Raises:
        RenderError: a secret value stands anywhere but in a Secret's data.
    """
    waves = _waves(registered)
    found = [
        Manifest(waves[one.urn], _body(one, with_secrets=with_secrets), one.urn, one.protect)
        for one in registered
        if one.type.startswith("kubernetes:") and not one.type.startswith("kubernetes:index")
    ]
    return tuple(sorted(found, key=lambda manifest: (manifest.wave, manifest.kind, manifest.namespace, manifest.name)))


def _waves(registered: Sequence[Registered]) -> dict[str, int]:
    """The longest way of dependencies to each object. What is no object of Kubernetes costs no wave."""
    by_urn = {one.urn: one for one in registered}
    waves: dict[str, int] = {}

    def wave(urn: str) -> int:
        if urn not in waves:
            before = [dependency for dependency in by_urn[urn].dependencies if dependency in by_urn]
            waves[urn] = max((wave(one) + by_urn[one].type.startswith("kubernetes:") for one in before), default=0)
        return waves[urn]

    for one in registered:
        wave(one.urn)
    return waves


def _body(one: Registered, *, with_secrets: bool) -> dict[str, Any]:
    body = dict(one.inputs)
    if body.get("kind") == "Secret":
        data = body.pop("stringData", {})
        plain = data.value if isinstance(data, SecretValue) else data
        if with_secrets:
            body["stringData"] = {key: _reveal(value) for key, value in plain.items()}
        else:
            _annotate(body, ANNOTATION_KEYS, ",".join(sorted(plain)))
    if one.protect:
        _annotate(body, ANNOTATION_PROTECT, "true")
    if leaks := list(_secrets_in(body, one.name)):
        raise RenderError(f"{one.type} {one.name}: a secret value outside a Secret's data, at {', '.join(leaks)}")
    ordered: dict[str, Any] = _sorted(body)
    return {key: ordered[key] for key in ("apiVersion", "kind", "metadata") if key in ordered} | ordered


def _annotate(body: dict[str, Any], name: str, value: str) -> None:
    annotations = body["metadata"].get("annotations", {}) | {name: value}
    body["metadata"] = body["metadata"] | {"annotations": annotations}


def _sorted(value: Any) -> Any:
    """Without the order of protobuf's maps, which is another one in every process."""
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def _reveal(value: Any) -> Any:
    return value.value if isinstance(value, SecretValue) else value


def _secrets_in(value: Any, path: str) -> Iterable[str]:
    if isinstance(value, SecretValue):
        yield path
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _secrets_in(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _secrets_in(inner, f"{path}.{index}")
