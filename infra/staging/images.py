"""The application's images under one version that says what is in them, on every node of the devcluster."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping

from infra.devcluster import images as nodes
from infra.devcluster.layout import Layout
from infra.local import images, process, stack
from infra.local.images import Image
from infra.local.progress import Steps
from infra.local.state import State
from infra.servers.rabbitmq.cluster import RabbitMQVersion
from infra.staging.errors import StagingError

#: Of the application; what follows it is the content's.
RELEASE = "0.1.0"
_LOAD_SECONDS = 60


def wanted(rabbitmq: RabbitMQVersion) -> tuple[Image, ...]:
    """What runs in the cluster."""
    servers = (images.POSTGRESQL, images.REDIS, images.PGBOUNCER, images.OBJECTSTORE)
    return (images.APP, images.rabbitmq_image(rabbitmq), *servers)


def version_of(identities: Mapping[str, str]) -> str:
    """One version for all: another whenever one of the images is another, so that nothing runs under an old name."""
    lines = "".join(f"{name} {identity}\n" for name, identity in sorted(identities.items()))
    return f"{RELEASE}-{hashlib.sha256(lines.encode()).hexdigest()[:12]}"


def provide(layout: Layout, rabbitmq: RabbitMQVersion, state: State, steps: Steps) -> str:
    """Build, tag and load what is missing; the version.

    Raises:
        StagingError: there is no Docker to build with.
    """
    if shutil.which("docker") is None or process.run("docker", "version").returncode:
        raise StagingError("Docker is needed to build the images and does not answer: `make bootstrap` installs it")
    tags = stack.build_images(state, steps, wanted(rabbitmq))
    version = version_of({name: _identity(tag) for name, tag in tags.items()})
    names = [f"millrace-{name}:{version}" for name in tags]
    for tag, name in zip(tags.values(), names, strict=True):
        process.run("docker", "tag", tag, name, check=True)
    with steps.step("images on the nodes", _LOAD_SECONDS):
        nodes.load_from_docker(layout, names)
    return version


def _identity(reference: str) -> str:
    return process.run("docker", "image", "inspect", "--format", "{{.Id}}", reference, check=True).stdout.strip()
