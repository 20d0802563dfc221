"""The images, each under a version that says what is in it, on every node of the devcluster."""

from __future__ import annotations

import shutil

from infra.lab.devcluster import images as nodes
from infra.lab.devcluster.layout import Layout
from infra.lab.staging.errors import StagingError
from infra.local import process, stack
from infra.local.pod_images import version_of, wanted
from infra.local.progress import Steps
from infra.local.state import State
from infra.servers.rabbitmq.cluster import RabbitMQVersion

_LOAD_SECONDS = 60


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
