"""How KEDA looks at the queues of RabbitMQ: over the management API, as a user that may do nothing else."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from app import contract
from app.contract import Role
from infra import naming
from infra.components.component import Part
from infra.volumes import Files

#: KEDA's way in, beside the ScaledObjects.
TRIGGER_AUTHENTICATION = "rabbitmq"


def trigger_authentication(
    parent: Part, component: str, namespace: str, address: pulumi.Input[str], authorities: Files | None = None
) -> None:
    """KEDA looks over HTTPS: only so does it see unacknowledged messages, and a pool that is busy stays.

    `authorities`: who certifies the server, if not our own authority.
    """
    name = "keda-rabbitmq"
    labels = naming.labels(component, parent.ground.environment)
    where = meta.ObjectMetaArgs(name=name, namespace=namespace, labels=labels)
    core.ConfigMap(
        name,
        metadata=where,
        data={"host": address, "tls": "enable"},
        opts=parent.child(),
    )
    secret = naming.passwords_secret(Role.KEDA)
    settings = [{"parameter": parameter, "name": name, "key": parameter} for parameter in ("host", "tls")]
    secrets = [
        {"parameter": "username", "name": secret, "key": "rabbitmq_user"},
        {"parameter": "password", "name": secret, "key": "rabbitmq_password"},
    ]
    if authorities is None:
        secrets.append({"parameter": "ca", "name": naming.tls_secret(naming.AUTHORITY), "key": "ca.crt"})
    else:
        [key] = authorities.paths
        settings.append({"parameter": "ca", "name": authorities.config_map, "key": key})
    CustomResource(
        name,
        api_version="keda.sh/v1alpha1",
        kind="TriggerAuthentication",
        metadata=meta.ObjectMetaArgs(name=TRIGGER_AUTHENTICATION, namespace=namespace, labels=labels),
        spec={"configMapTargetRef": settings, "secretTargetRef": secrets},
        opts=parent.child(),
    )


def queue_trigger(queue: str, messages: int) -> dict[str, Any]:
    """KEDA's trigger: a pod for so many messages, those in workers' hands included."""
    return {
        "type": "rabbitmq",
        "name": queue,
        "metricType": "AverageValue",
        "metadata": {
            "protocol": "http",
            "vhostName": contract.VHOST,
            "queueName": queue,
            "mode": "QueueLength",
            "value": str(messages),
            "excludeUnacknowledged": "false",
        },
        "authenticationRef": {"name": TRIGGER_AUTHENTICATION},
    }
