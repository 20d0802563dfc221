"""Objects of a cluster as data: how they are named, what of them counts, what of them is secret."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.render.manifests import ANNOTATION_PROTECT, Manifest

#: What the API server and controllers write: no part of what somebody asked for.
_SERVERS_METADATA = frozenset(
    {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"}
)
#: Likewise, a moment later.
_CONTROLLERS_ANNOTATIONS = frozenset({"deployment.kubernetes.io/revision"})
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

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """The same for all versions of an API."""
        group, slash, _ = self.api_version.rpartition("/")
        return (group if slash else "", self.kind, self.namespace, self.name)

    def __str__(self) -> str:
        """As a person says it."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Found:
    """An object that carries our labels."""

    ref: Ref
    uid: str
    protected: bool
    #: A controller made it from another object, and removes it with that.
    owned: bool
    deleting: bool
    finalizers: tuple[str, ...]
    #: Who applied it, server-side.
    appliers: frozenset[str]

    @classmethod
    def of(cls, ref: Ref, metadata: Mapping[str, Any]) -> Found:
        """From the object's metadata."""
        return cls(
            ref=ref,
            uid=metadata["uid"],
            protected=metadata.get("annotations", {}).get(ANNOTATION_PROTECT) == "true",
            owned=bool(metadata.get("ownerReferences")),
            deleting="deletionTimestamp" in metadata,
            finalizers=tuple(metadata.get("finalizers", ())),
            appliers=frozenset(
                one["manager"] for one in metadata.get("managedFields", ()) if one.get("operation") == "Apply"
            ),
        )


def stored_form(manifest: Manifest) -> dict[str, Any]:
    """The body as the API server keeps it, so that a second apply changes nothing.

    `stringData` is only a way to write `data`, whose keys would never be removed. An empty list of a built-in kind is
    not kept, and would be written anew by each apply.
    """
    body = dict(manifest.body)
    if "stringData" in body:
        body["data"] = {key: encoded(value) for key, value in body.pop("stringData").items()}
    group, slash, _ = body["apiVersion"].rpartition("/")
    built_in = not slash or "." not in group or group.endswith(".k8s.io")
    return dict(_without_empty_lists(body)) if built_in else body


def _without_empty_lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_empty_lists(inner) for key, inner in value.items() if inner != []}
    return [_without_empty_lists(inner) for inner in value] if isinstance(value, list) else value


def encoded(value: str) -> str:
    """As a Secret holds it."""
    return base64.b64encode(value.encode()).decode()


def decoded(secret: Mapping[str, Any]) -> dict[str, str]:
    """A Secret's values."""
    return {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}


def content(body: Mapping[str, Any]) -> dict[str, Any]:
    """What of an object somebody asked for, defaults included."""
    metadata = {key: value for key, value in body["metadata"].items() if key not in _SERVERS_METADATA}
    annotations = metadata.pop("annotations", None) or {}
    if ours := {key: value for key, value in annotations.items() if key not in _CONTROLLERS_ANNOTATIONS}:
        metadata["annotations"] = ours
    return {key: value for key, value in body.items() if key not in {"status", "metadata"}} | {"metadata": metadata}


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
