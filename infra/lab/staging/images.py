"""The images, each under a version that says what is in it, on every node of the devcluster."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace

from infra.lab.devcluster import images as nodes
from infra.lab.devcluster.layout import Layout
from infra.lab.staging.errors import StagingError
from infra.local import images, process, stack
from infra.local.images import Image
from infra.local.progress import Steps
from infra.local.state import State
from infra.servers.rabbitmq.cluster import RabbitMQVersion

#: Of the application, where an image has no version of its own.
RELEASE = "0.1.0"
_LOAD_SECONDS = 60


def wanted(rabbitmq: RabbitMQVersion) -> tuple[Image, ...]:
    """What runs in the cluster."""
    servers = (images.POSTGRESQL, images.REDIS, images.PGBOUNCER, images.OBJECTSTORE)
    return tuple(replace(image, for_pods=True) for image in (images.APP, images.rabbitmq_image(rabbitmq), *servers))


def version_of(image: Image, identity: str) -> str:
    """What is in it, and a hash of it: another whenever the image is another, so that its pods roll, and no others."""
    release = RELEASE if image.name == images.APP.name else image.label
    return f"{release}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def provide(layout: Layout, rabbitmq: RabbitMQVersion, state: State, steps: Steps) -> dict[str, str]:
    """Build, tag and load what is missing; the version of each image.

    Raises:
        StagingError: there is no Docker to build with.
    """
    if shutil.which("docker") is None or process.run("docker", "version").returncode:
        raise StagingError("Docker is needed to build the images and does not answer: `make bootstrap` installs it")
    made = wanted(rabbitmq)
    tags = stack.build_images(state, steps, made)
    versions = {image.name: version_of(image, _identity(tags[image.name])) for image in made}
    names = [f"millrace-{name}:{version}" for name, version in versions.items()]
    for image, name in zip(made, names, strict=True):
        process.run("docker", "tag", tags[image.name], name, check=True)
    with steps.step("images on the nodes", _LOAD_SECONDS):
        nodes.load_from_docker(layout, names)
    return versions


def _identity(reference: str) -> str:
    return process.run("docker", "image", "inspect", "--format", "{{.Id}}", reference, check=True).stdout.strip()
