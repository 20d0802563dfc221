"""The images of pods: which there are, and the version of each, by which a cluster knows that it is another one."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from infra.local import images
from infra.local.images import Image
from infra.servers.rabbitmq.cluster import RabbitMQVersion

#: Of the application, where an image has no version of its own.
RELEASE = "0.1.0"


def wanted(rabbitmq: RabbitMQVersion) -> tuple[Image, ...]:
    """What may run in a cluster, with the user that pods run as, whoever builds it."""
    servers = (images.POSTGRESQL, images.REDIS, images.PGBOUNCER, images.OBJECTSTORE)
    return tuple(replace(image, for_pods=True) for image in (images.APP, images.rabbitmq_image(rabbitmq), *servers))


def version_of(image: Image, content: str) -> str:
    """The release, and a hash of the content. A changed image gets another version, and only its pods roll."""
    release = RELEASE if image.name == images.APP.name else image.label
    return f"{release}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
