"""One change of the good stack each: what the tables of kept and broken rules are written with."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from infra.policy.model import Environment
from tests.unit.infra.policy.stack import (
    APP,
    Manifest,
    changed,
    config_map,
    peer,
    stack,
    with_also,
)


@dataclass(frozen=True)
class Case:
    """One stack, and where a rule is broken in it; kept, if `where` is empty."""

    rule: str
    manifests: list[Manifest]
    where: str = ""
    environment: Environment = "prod"


def env(**variables: str) -> list[Manifest]:
    """The stack with a relay that has these variables."""
    named = [{"name": name, "value": value} for name, value in variables.items()]
    return changed("relay", "spec/template/spec/containers/0/env", named)


def relay(path: str, value: Any) -> list[Manifest]:
    """The stack with this changed in the relay's pod."""
    return changed("relay", f"spec/template/spec/{path}", value)


def container_0(path: str, value: Any) -> list[Manifest]:
    """The stack with this changed in the relay's container."""
    return relay(f"containers/0/{path}", value)


def file(text: str) -> list[Manifest]:
    """The stack with this line in a ConfigMap."""
    return with_also(config_map(settings_conf=f"# a file\n{text}\n"))


def pre_stop(*command: str) -> list[Manifest]:
    """The stack with a relay (grace period 60) that runs this before it stops."""
    return container_0("lifecycle", {"preStop": {"exec": {"command": list(command)}}})


def rule_of(**rule: Any) -> list[Manifest]:
    """The stack with one more rule of a network policy."""
    full = {"from": [peer("relay", APP)], "ports": [{"port": 5671}]} | rule
    return changed("allow-broker", "spec/ingress", [full])


def role(**rule: Any) -> list[Manifest]:
    """The stack with this in its role."""
    return changed("role", "rules/0", {"apiGroups": [""], "resources": ["endpoints"], "verbs": ["get"]} | rule)


def broker(path: str, value: Any) -> list[Manifest]:
    """The stack with this changed in RabbitMQ's StatefulSet."""
    return changed("broker", f"spec/{path}", value)


def worker(path: str, value: Any) -> list[Manifest]:
    """The stack with this changed in the worker's pod."""
    return changed("worker", f"spec/template/spec/{path}", value)


def scaler(path: str, value: Any) -> list[Manifest]:
    """The stack with this changed in the worker's ScaledObject."""
    return changed("worker-scaler", f"spec/{path}", value)


def ingress_of(class_name: str | None, *, service: Any = None, **annotations: str) -> list[Manifest]:
    """The stack with an Ingress of this class, and with these annotations of it and of the gateway's Service."""
    found = copy.deepcopy(stack())
    found["gateway-ingress"]["spec"]["ingressClassName"] = class_name
    found["gateway-ingress"]["metadata"]["annotations"] = annotations
    found["gateway-service"]["metadata"]["annotations"] = service
    return list(found.values())


def ingress(path: str, value: Any) -> list[Manifest]:
    """The stack with this changed in the gateway's Ingress."""
    return changed("gateway-ingress", f"spec/{path}", value)


#: Made up, and as random as a password.
RANDOM = "q7Zp0VxT2mKc9RbY4sWd8HfJ"
GOOD = list(stack().values())
