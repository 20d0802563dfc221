"""`make push`: the images of a stack in a registry, and in the stack file which they are.

An image's version is a hash of what it is built from. So an image that the registry has is not pushed again, whoever
built it, and a change of one image changes the version of no other: its pods roll, and no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local import images, pod_images, process, stack_images
from infra.local.images import Image
from infra.local.progress import Steps
from infra.local.registry import Registry, RegistryError
from infra.local.stack import build_images
from infra.local.state import State

_ASK_SECONDS, _PUSH_SECONDS = 5, 30


@dataclass(frozen=True)
class Pushed:
    """What a push did."""

    #: Without those that the registry had.
    references: tuple[str, ...]
    file_changed: bool


def push(file: Path, prefix: str | None, state: State, steps: Steps, *, fresh: bool = False) -> Pushed:
    """Give the registry what it lacks of the stack's images, and write versions and digests into the stack file.

    `fresh` builds all of them from nothing, for updates of the base system. Their versions end with a hash of what came
    out, and stay until what the image is built from changes.

    Raises:
        SettingsError: the stack file is wrong.
        RegistryError: the registry is not named, or does not take an image; the stack file is as it was.
        ImageError: an image could not be built.
    """
    stack = stack_images.stack(file)
    named = stack_images.named(file)
    registry = Registry(_prefix(prefix or named.get("registry"), file))
    if process.run("docker", "version").returncode:
        raise RegistryError("Docker builds and pushes the images, and does not answer (is this user in its group?)")
    wanted = tuple(one for one in pod_images.wanted(stack.broker.version) if one.name in stack.own_images)
    if fresh:
        tags = build_images(state, steps, wanted, fresh=True)
        versions = {one.name: f"{_version(one)}-{_short_id(tags[one.name])}" for one in wanted}
    else:
        versions = {one.name: _kept(one, named.get("versions") or {}) for one in wanted}
    references = {name: registry.reference(name, version) for name, version in versions.items()}
    with steps.step(f"ask {registry.prefix} what it has", _ASK_SECONDS):
        found = {name: registry.digest(reference) for name, reference in references.items()}
    missing = tuple(one for one in wanted if found[one.name] is None)
    tags = build_images(state, steps, missing)
    digests = {name: digest for name, digest in found.items() if digest is not None}
    for one in missing:
        with steps.step(f"push {references[one.name]}", _PUSH_SECONDS):
            digests[one.name] = registry.push(tags[one.name], references[one.name])
    changed = stack_images.write(file, registry.prefix, versions, digests)
    return Pushed(tuple(references[one.name] for one in missing), changed)


def _prefix(named: str | None, file: Path) -> str:
    if not named:
        raise RegistryError(f"{file.name} names no registry: say REGISTRY=host/path")
    return named


def _version(image: Image) -> str:
    return pod_images.version_of(image, images.tag(image))


def _kept(image: Image, named: Mapping[str, str]) -> str:
    """The version in the stack file, if it is one of the same content that was built fresh."""
    version, before = _version(image), named.get(image.name, "")
    return before if before.startswith(f"{version}-") else version


def _short_id(reference: str) -> str:
    said = process.run("docker", "image", "inspect", "--format", "{{.Id}}", reference, check=True).stdout
    return said.strip().removeprefix("sha256:")[:8]
