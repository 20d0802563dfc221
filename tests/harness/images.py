"""Which images the tests run: exactly those that `make up` would run for this checkout."""

from __future__ import annotations

import os

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
        "PROMETHEUS": images.PROMETHEUS,
        "PGBOUNCER": images.PGBOUNCER,
        **brokers,
    }


def resolve() -> list[str]:
    """Fix the tags of this run in the environment; returns the aliases of what is missing."""
    missing = []
    for name, image in _wanted().items():
        variable = _VARIABLE.format(name=name)
        reference = os.environ.setdefault(variable, images.tag(image))
        if not images.exists(reference):
            missing.append(f"{image.alias} ({reference})")
    return missing


def reference(name: str) -> str:
    """The image that this run uses: `PGBOUNCER`, `REDIS`, ..."""
    return os.environ[_VARIABLE.format(name=name)]


def compose_variables(version: RabbitMQVersion) -> dict[str, str]:
    """Image tags under the names that compose.yaml asks for."""
    tags = {name: os.environ[_VARIABLE.format(name=name)] for name in ("APP", "POSTGRESQL", "REDIS", "PROMETHEUS")}
    tags["RABBITMQ"] = os.environ[_VARIABLE.format(name=f"RABBITMQ_{version.replace('.', '')}")]
    return {f"MILLRACE_IMAGE_{name}": tag for name, tag in tags.items()}
