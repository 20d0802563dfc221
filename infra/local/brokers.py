"""Which broker the local stack has, and how it differs for that: RabbitMQ's three nodes, or an emulator of SQS."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from app import contract
from app.contract import Queue
from infra import naming
from infra.local import files, images
from infra.local.folders import RABBITMQ_NODES
from infra.local.images import Image
from infra.local.state import State

#: Of the emulator, which takes any credentials.
_ACCOUNT, _REGION = "000000000000", "eu-central-1"
SQS = "sqs"
_ENDPOINT = f"http://{SQS}:{contract.PORT_SQS_EMULATOR}"
#: A message of a killed worker is seen again when the longest task of all that it held would have ended: soon, here.
_SOFT_LIMIT_SECONDS, _LIMIT_SECONDS = 10, 15


class UnknownBrokerError(Exception):
    """The local stack runs on RabbitMQ or on an emulator of SQS."""


@dataclass(frozen=True)
class LocalBroker:
    """A broker of the local stack."""

    name: str
    #: The services that it consists of.
    servers: tuple[str, ...]
    #: Processes that it has no use for.
    without: tuple[str, ...] = ()
    image: Image | None = None
    #: What every process of the application is told.
    environment: Mapping[str, str] = field(default_factory=dict)
    service: Mapping[str, Any] | None = None

    def overlay(self, queues: Sequence[Queue], processes: Sequence[str]) -> dict[str, Any] | None:
        """Compose's third file; none for RabbitMQ, which compose.yaml has."""
        if self.service is None:
            return None
        told = {name: {"environment": dict(self.environment)} for name in processes}
        workers = {naming.worker(queue.name): {"environment": dict(self.environment)} for queue in queues}
        return {"services": {SQS: dict(self.service), **told, **workers}}


RABBITMQ = LocalBroker("rabbitmq", RABBITMQ_NODES)
EMULATED_SQS = LocalBroker(
    SQS,
    servers=(SQS,),
    without=("flower",),
    image=images.MINISTACK,
    environment={
        "MILLRACE_BROKER": SQS,
        "MILLRACE_SQS_QUEUE_PREFIX": f"{_ENDPOINT}/{_ACCOUNT}/millrace-",
        "MILLRACE_SQS_ENDPOINT_URL": _ENDPOINT,
        "AWS_REGION": _REGION,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "MILLRACE_TASK_SOFT_TIME_LIMIT_SECONDS": str(_SOFT_LIMIT_SECONDS),
        "MILLRACE_TASK_TIME_LIMIT_SECONDS": str(_LIMIT_SECONDS),
        "MILLRACE_WORKER_PREFETCH_MULTIPLIER": "1",
    },
    service={
        "image": "${MILLRACE_IMAGE_MINISTACK:-millrace-ministack:1.5}",
        "labels": {contract.DRILLS_LABEL: "${MILLRACE_DRILLS:-open}"},
        "environment": {"MINISTACK_ACCOUNT_ID": _ACCOUNT, "MINISTACK_REGION": _REGION},
        "restart": "unless-stopped",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": ["/tmp"],  # noqa: S108 - in the container
        "mem_limit": "768m",
        "cpus": "${MILLRACE_CPUS:-2.0}",
        "healthcheck": {"test": ["CMD", "millrace-healthy"], "interval": "10s", "timeout": "5s", "retries": 12},
        "ports": [f"127.0.0.1:${{MILLRACE_PORT_SQS:-14566}}:{contract.PORT_SQS_EMULATOR}"],
        "logging": {"driver": "json-file", "options": {"max-size": "20m", "max-file": "3"}},
    },
)
_ALL = {broker.name: broker for broker in (RABBITMQ, EMULATED_SQS)}


def find(name: str) -> LocalBroker:
    """By its name.

    Raises:
        UnknownBrokerError: there is none of this name.
    """
    if name not in _ALL:
        raise UnknownBrokerError(f"BROKER is {name!r}; a local stack runs on {' or '.join(_ALL)}")
    return _ALL[name]


def kept(state: State) -> LocalBroker:
    """The one that the stack was started with last."""
    file = state.root / contract.LOCAL_BROKER_FILE
    return find(json.loads(file.read_text())["name"]) if file.is_file() else RABBITMQ


def write(state: State, broker: LocalBroker, queues: Sequence[Queue], processes: Sequence[str]) -> None:
    """Keep the choice, for Compose and for outsiders (loadtests)."""
    told = {"name": broker.name, "image": broker.image.alias if broker.image else ""}
    files.write(state.root / contract.LOCAL_BROKER_FILE, json.dumps(told), files.PUBLIC_FILE)
    overlay = broker.overlay(queues, processes)
    if overlay is None:
        state.broker.unlink(missing_ok=True)
    else:
        files.write(state.broker, yaml.safe_dump(overlay, sort_keys=False), files.PUBLIC_FILE)
