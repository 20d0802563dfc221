"""Which broker the local stack has, and how it differs for that: RabbitMQ, an emulator of SQS, or Redis."""

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
from infra.local.folders import RABBITMQ_NODES, REDIS_BROKER
from infra.local.images import Image
from infra.local.state import State

#: Of the emulator, which takes any credentials.
_ACCOUNT, _REGION = "000000000000", "eu-central-1"
SQS, REDIS = "sqs", "redis"
_ENDPOINT = f"http://{SQS}:{contract.PORT_SQS_EMULATOR}"
#: A message of a killed worker is seen again when the longest task of all that it held would have ended: soon, here.
_SOON = {
    "MILLRACE_TASK_SOFT_TIME_LIMIT_SECONDS": "10",
    "MILLRACE_TASK_TIME_LIMIT_SECONDS": "15",
    "MILLRACE_WORKER_PREFETCH_MULTIPLIER": "1",
}
#: As every container of compose.yaml.
_HARDENED: Mapping[str, Any] = {
    "labels": {contract.DRILLS_LABEL: "${MILLRACE_DRILLS:-open}"},
    "restart": "unless-stopped",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "tmpfs": ["/tmp"],  # noqa: S108 - in the container
    "cpus": "${MILLRACE_CPUS:-2.0}",
    "logging": {"driver": "json-file", "options": {"max-size": "20m", "max-file": "3"}},
    "healthcheck": {"test": ["CMD", "millrace-healthy"], "interval": "10s", "timeout": "5s", "retries": 12},
}
_STATE = "${MILLRACE_STATE_DIR:-./.millrace}"


class UnknownBrokerError(Exception):
    """The local stack runs on RabbitMQ, on an emulator of SQS, or on Redis."""


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
    volumes: tuple[str, ...] = ()

    def overlay(self, queues: Sequence[Queue], processes: Sequence[str]) -> dict[str, Any] | None:
        """Compose's third file; none for RabbitMQ, which compose.yaml has."""
        if self.service is None:
            return None
        told = {name: {"environment": dict(self.environment)} for name in processes}
        workers = {naming.worker(queue.name): {"environment": dict(self.environment)} for queue in queues}
        [server] = self.servers
        overlay: dict[str, Any] = {"services": {server: dict(self.service), **told, **workers}}
        return overlay | ({"volumes": {name: {} for name in self.volumes}} if self.volumes else {})


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
        **_SOON,
    },
    service={
        **_HARDENED,
        "image": "${MILLRACE_IMAGE_MINISTACK:-millrace-ministack:1.5}",
        "environment": {"MINISTACK_ACCOUNT_ID": _ACCOUNT, "MINISTACK_REGION": _REGION},
        "mem_limit": "768m",
        "ports": [f"127.0.0.1:${{MILLRACE_PORT_SQS:-14566}}:{contract.PORT_SQS_EMULATOR}"],
    },
)
REDIS_BY_ITSELF = LocalBroker(
    REDIS,
    servers=(REDIS_BROKER,),
    without=("flower",),
    environment={"MILLRACE_BROKER": REDIS, "MILLRACE_REDIS_BROKER_HOST": REDIS_BROKER, **_SOON},
    service={
        **_HARDENED,
        "image": "${MILLRACE_IMAGE_REDIS:-millrace-redis:8}",
        "labels": {**_HARDENED["labels"], "millrace.files": "${MILLRACE_FILES_REDIS_BROKER:-}"},
        "mem_limit": "256m",
        "stop_grace_period": "20s",
        "ports": [f"127.0.0.1:${{MILLRACE_PORT_REDIS_BROKER:-16380}}:{contract.PORT_REDIS}"],
        "volumes": [
            f"{REDIS_BROKER}:/var/lib/redis",
            f"{_STATE}/config/{REDIS_BROKER}:/etc/millrace:ro",
            f"{_STATE}/secrets/{REDIS_BROKER}:/run/secrets/millrace:ro",
        ],
    },
    volumes=(REDIS_BROKER,),
)
_ALL = {broker.name: broker for broker in (RABBITMQ, EMULATED_SQS, REDIS_BY_ITSELF)}


def find(name: str) -> LocalBroker:
    """By its name.

    Raises:
        UnknownBrokerError: there is none of this name.
    """
    if name not in _ALL:
        raise UnknownBrokerError(f"BROKER is {name!r}; a local stack runs on {', '.join(_ALL)}")
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
