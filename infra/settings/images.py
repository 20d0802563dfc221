"""The registry of our images, and the version of each that a stack runs.

Each image has a version of its own: a new image of the gateway must not restart a broker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from infra.settings.values import Digest, Model

#: Our images (infra/images).
ImageName = Literal["app", "rabbitmq", "postgresql", "redis", "pgbouncer", "objectstore"]
IMAGES: tuple[ImageName, ...] = get_args(ImageName)

Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]


class Images(Model):
    """Registry, versions and digests."""

    registry: str = Field(
        "", description="prefix of the names, without a slash at the end; empty: loaded onto the nodes"
    )
    versions: dict[ImageName, Version] = Field(description="the tag of each; rabbitmq's begins with broker.version")
    digests: dict[ImageName, Digest] = Field({}, description="by which a node knows what it pulled")

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if moving := [image for image, version in self.versions.items() if version.endswith("latest")]:
            raise ValueError(f"versions.{moving[0]} latest says nothing about what runs: name a version")
        return self

    def reference(self, image: ImageName) -> str:
        """The full reference of one of ours: name, tag, and digest where there is one."""
        prefix = f"{self.registry}/" if self.registry else ""
        digest = f"@{self.digests[image]}" if image in self.digests else ""
        return f"{prefix}millrace-{image}:{self.versions[image]}{digest}"

    def broken(self, used: Iterable[ImageName], broker_version: str, *, by_digest: bool) -> Iterator[str]:
        """What is wrong for a stack that runs these images, a sentence each."""
        names = tuple(used)
        if missing := [image for image in names if image not in self.versions]:
            yield f"images.versions lacks {', '.join(missing)}: name the tag of each image that the stack runs"
        if by_digest and (missing := [image for image in names if image not in self.digests]):
            yield f"images.digests lacks {', '.join(missing)}: prod runs what was tested, by digest"
        version = self.versions.get("rabbitmq") if "rabbitmq" in names else None
        if version is not None and not version.startswith(f"{broker_version}-"):
            yield (
                f"images.versions.rabbitmq {version} is no image of broker.version {broker_version}: its tag begins "
                f"with the version of RabbitMQ that is in it; name one that begins with {broker_version}-"
            )
