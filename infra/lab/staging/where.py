"""The addresses that a person needs next, and the commands that reach what has no address outside."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from app import contract
from infra import naming


def lines(target: Mapping[str, Any]) -> Iterator[str]:
    """Of target.json; plain lines that can be copied."""
    url, ca = target["gateway_url"], target["ca_file"]
    yield f"gateway    {url}/openapi.json"
    yield f"           curl --cacert {ca} {url}/readyz"
    yield f"           API key: {target['api_key_file']}"
    rabbitmq = _forward(target, naming.RABBITMQ, contract.PORT_RABBITMQ_MANAGEMENT)
    yield from _reached("RabbitMQ", rabbitmq, contract.PORT_RABBITMQ_MANAGEMENT, "operator", "operator", target)
    flower = _forward(target, naming.FLOWER, contract.PORT_FLOWER)
    yield from _reached("Flower", flower, contract.PORT_FLOWER, "operator", "flower", target)
    yield "target     .millrace/kubernetes/target.json (what load tests and drills read)"


def _reached(title: str, command: str, port: int, user: str, role: str, target: Mapping[str, Any]) -> Iterator[str]:
    yield f"{title:<11}https://localhost:{port}/ while this runs:"
    yield f"           {command}"
    yield f"           user {user}, password: {target[f'{role}_password_file']}; CA: {target['internal_ca_file']}"


def _forward(target: Mapping[str, Any], component: str, port: int) -> str:
    words = [target["kubectl"]]
    words += ["--kubeconfig", target["kubeconfig"]] if target["kubeconfig"] else []
    words += ["--context", target["context"]] if target["context"] else []
    kind = "service" if component == naming.RABBITMQ else "deployment"
    words += ["--namespace", naming.namespace_of(component), "port-forward", f"{kind}/{component}", str(port)]
    return shlex.join(words)
