"""Which images the tests run: exactly those that `make up` would run for this checkout."""

from __future__ import annotations

import os
from functools import cache

from infra.local import images
from infra.servers.rabbitmq.cluster import VERSIONS, RabbitMQVersion

#: Set by the first process of a run, so that all its workers test one state of the sources.
_VARIABLE = "MILLRACE_TEST_IMAGE_{name}"


def _wanted() -> dict[str, images.Image]:
    brokers = {f"RABBITMQ_{version.replace('.', '')}": images.rabbitmq_image(version) for version in VERSIONS}
    return {
        "APP": images.APP,
        "POSTGRESQL": images.POSTGRESQL,
        "REDIS": images.REDIS,
        "OBJECTSTORE": images.OBJECTSTORE,
        "PROMETHEUS": images.PROMETHEUS,
        "PGBOUNCER": images.PGBOUNCER,
        "MINISTACK": images.MINISTACK,
        "NETFAULT": images.NETFAULT,
        **brokers,
    }


def resolve() -> None:
    """Fix the tags of this run in the environment."""
    for name, image in _wanted().items():
        os.environ.setdefault(_VARIABLE.format(name=name), images.tag(image))


@cache
def reference(name: str) -> str:
    """The image that this run uses: `PGBOUNCER`, `REDIS`, ...

    Raises:
        AssertionError: it was not built.
    """
    tag = os.environ[_VARIABLE.format(name=name)]
    assert images.exists(tag), f"the image {tag} is not there: `make images` builds it"
    return tag


def compose_variables(version: RabbitMQVersion) -> dict[str, str]:
    """Image tags under the names that compose.yaml asks for."""
    tags = {name: reference(name) for name in ("APP", "POSTGRESQL", "REDIS", "OBJECTSTORE", "PROMETHEUS")}
    tags["RABBITMQ"] = reference(f"RABBITMQ_{version.replace('.', '')}")
    return {f"MILLRACE_IMAGE_{name}": tag for name, tag in tags.items()}
