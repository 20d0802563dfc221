"""Processor and memory: said for every container."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from infra import naming
from infra.policy.manifests import at, mapping
from infra.policy.model import Context, Finding, Manifest, ResourceRule
from infra.policy.pods import is_cnpg_cluster, pod

#: What loses data or quorum when the kernel takes memory back.
SERVERS = (naming.RABBITMQ, naming.REDIS, naming.POSTGRESQL, naming.OBJECT_STORE)


def _bytes(quantity: Any) -> Decimal | str:
    """1Gi is 1024Mi; what is no quantity is like nothing but itself."""
    try:
        return Decimal(parse_quantity(quantity))
    except ValueError:
        return str(quantity)


def _places(manifest: Manifest) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Every `resources`: its path, itself, whether it belongs to a server's process."""
    if is_cnpg_cluster(manifest):
        yield "spec.resources", mapping(at(manifest, "spec", "resources")), True
    if found := pod(manifest):
        for container in found.containers():
            server = found.component in SERVERS and not container.init
            yield f"{container.path}.resources", mapping(container.spec.get("resources")), server


def _said(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for path, resources, _server in _places(manifest):
        for side in ("requests", "limits"):
            for what in ("cpu", "memory"):
                if at(resources, side, what) is None:
                    advice = "say what it needs at least (requests) and at most (limits), for cpu and memory"
                    yield Finding(manifest, f"{path}.{side}.{what}", None, advice)


def _guaranteed(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for path, resources, server in _places(manifest):
        request, limit = at(resources, "requests", "memory"), at(resources, "limits", "memory")
        if server and request is not None and limit is not None and _bytes(request) != _bytes(limit):
            yield Finding(
                manifest,
                f"{path}.requests.memory",
                f"{request} of at most {limit}",
                "make request and limit the same; this server must not be the first that a full node kills",
            )


RULES = (
    ResourceRule(
        name="resources-said",
        description="Every container, init containers too, says requests and limits for cpu and memory.",
        reason="Without them a pod starves its neighbours, a quota refuses it, and an HPA has nothing to divide by.",
        check=_said,
    ),
    ResourceRule(
        name="server-memory-guaranteed",
        description="RabbitMQ, Redis and PostgreSQL have a memory request equal to their limit.",
        reason="Memory that was promised but not reserved is taken back by killing: of brokers and databases, quorum.",
        check=_guaranteed,
    ),
)
