"""Images: which one runs must not depend on the day."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.policy.manifests import at
from infra.policy.model import Context, Finding, Manifest, ResourceRule
from infra.policy.pods import is_cnpg_cluster, pod

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
#: A colon in the last part; before it a colon is a registry's port.
_TAG = re.compile(r":(?P<tag>[^:/@]+)(@.*)?$")


def _images(manifest: Manifest) -> Iterator[tuple[str, str]]:
    if is_cnpg_cluster(manifest):
        yield "spec.imageName", str(at(manifest, "spec", "imageName") or "")
    if found := pod(manifest):
        for container in found.containers():
            yield f"{container.path}.image", str(container.spec.get("image") or "")


def _pinned(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for path, image in _images(manifest):
        tag = _TAG.search(image)
        if tag and tag["tag"] == "latest":
            yield Finding(manifest, path, image, "name a version instead of latest")
        elif not tag and not _DIGEST.search(image):
            yield Finding(manifest, path, image, "name a version or a digest; without either it means latest")


def _digest(manifest: Manifest, context: Context) -> Iterator[Finding]:
    for path, image in _images(manifest):
        if context.prod and not _DIGEST.search(image):
            yield Finding(manifest, path, image, "append @sha256:… as `docker push` printed it")


RULES = (
    ResourceRule(
        name="image-version",
        description="Every image names a version or a digest, and never latest.",
        reason="Two pods of one Deployment must not run two programs, and a roll-back must find what ran before.",
        check=_pinned,
    ),
    ResourceRule(
        name="image-digest",
        description="In prod every image is named by its digest.",
        reason="A tag can be pushed again; a digest is what was tested.",
        check=_digest,
    ),
)
