"""How KEDA looks at the queues of RabbitMQ (management API) and of Redis: as a user that may do nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from app import contract
from app.contract import Role
from infra import naming
from infra.components.component import Part
from infra.endpoints import Watched
from infra.volumes import Files

#: KEDA's way in, beside the ScaledObjects.
TRIGGER_AUTHENTICATION = "rabbitmq"
REDIS_AUTHENTICATION = naming.REDIS_BROKER


def trigger_authentication(
    parent: Part, component: str, namespace: str, address: pulumi.Input[str], authorities: Files | None = None
) -> None:
    """KEDA looks over HTTPS: only so does it see unacknowledged messages, and a pool that is busy stays.

    `authorities`: who certifies the server, if not our own authority.
    """
    settings = {"host": address, "tls": "enable"}
    _authentication(parent, component, namespace, TRIGGER_AUTHENTICATION, "rabbitmq", settings, authorities)


def redis_authentication(parent: Part, component: str, namespace: str, host: str) -> None:
    """To Redis as the broker."""
    settings = {"address": f"{host}:{contract.PORT_REDIS}", "tls": "enable"}
    _authentication(parent, component, namespace, REDIS_AUTHENTICATION, "redis_broker", settings, None)


def _authentication(
    parent: Part,
    component: str,
    namespace: str,
    authentication: str,
    server: str,
    found: Mapping[str, pulumi.Input[str]],
    authorities: Files | None,
) -> None:
    name = f"keda-{authentication}"
    labels = naming.labels(component, parent.ground.environment)
    where = meta.ObjectMetaArgs(name=name, namespace=namespace, labels=labels)
    core.ConfigMap(
        name,
        metadata=where,
        data=found,
        opts=parent.child(),
    )
    secret = naming.passwords_secret(Role.KEDA)
    settings = [{"parameter": parameter, "name": name, "key": parameter} for parameter in found]
    secrets = [
        {"parameter": "username", "name": secret, "key": f"{server}_user"},
        {"parameter": "password", "name": secret, "key": f"{server}_password"},
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
        metadata=meta.ObjectMetaArgs(name=authentication, namespace=namespace, labels=labels),
        spec={"configMapTargetRef": settings, "secretTargetRef": secrets},
        opts=parent.child(),
    )


def queue_trigger(queue: str, messages: int) -> Watched:
    """KEDA's trigger: a pod for so many messages, those in workers' hands included."""
    trigger = {
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
    return Watched([trigger])


def redis_trigger(queue: str, messages: int) -> Watched:
    """A pod for so many messages, waiting and held ones together: HPA takes the largest trigger, and no sum, by itself.

    KEDA's script counts a hash as it counts a list.
    """
    keys = contract.redis_keys(queue)
    triggers: list[dict[str, Any]] = [
        {
            "type": "redis",
            "name": name,
            "metricType": "AverageValue",
            "metadata": {"listName": key, "listLength": str(messages)},
            "authenticationRef": {"name": REDIS_AUTHENTICATION},
        }
        for name, key in (("waiting", keys.waiting), ("held", keys.held))
    ]
    return Watched(triggers, {"formula": "waiting + held", "target": str(messages), "metricType": "AverageValue"})
