"""Which process may do what on AWS, and no more. One table; roles, policies and tests come from it.

On SQS a process needs exactly these (research/aws-and-brokers.md, finding 6): without any one of them a worker dies or
never gets rid of a message, and a producer cannot publish.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from app.contract import NAMESPACE_APP, Role
from infra import naming
from infra.servers.object_store import RIGHTS
from infra.settings.stack import Stack

EMPTIES = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
#: A worker gives messages back, too.
CONSUMES = (*EMPTIES, "sqs:ChangeMessageVisibility")
SENDS = ("sqs:SendMessage", "sqs:GetQueueAttributes")
MEASURES = ("sqs:GetQueueAttributes",)
#: Behind an encrypted queue or bucket: who reads needs the first, who writes both.
READS_ENCRYPTED = ("kms:Decrypt",)
WRITES_ENCRYPTED = ("kms:GenerateDataKey", "kms:Decrypt")
KEDA_ACCOUNT = "keda-operator"


class Target(StrEnum):
    """What an action is on."""

    WORK = "work"  # a queue
    DEAD = "dead"  # a queue's dead letters
    QUEUES_KEY = "queues-key"
    BUCKET = "bucket"
    OBJECTS = "objects"
    UPLOADS_KEY = "uploads-key"


@dataclass(frozen=True, order=True)
class Grant:
    """Actions on one target; `queue` where there are several."""

    target: Target
    actions: tuple[str, ...]
    queue: str = ""


@dataclass(frozen=True)
class Account:
    """A service account of Kubernetes, and what its pods may do."""

    name: str
    namespace: str
    grants: tuple[Grant, ...]


def accounts(stack: Stack, *, broker: Literal["sqs", "amazonmq"], keda_namespace: str = "") -> tuple[Account, ...]:
    """Every service account that may do anything on AWS. One that is left out has no credentials at all."""
    queues = [queue.name for queue in stack.queues]
    sqs = broker == "sqs"
    found = [
        Account(naming.GATEWAY, NAMESPACE_APP, tuple(_uploads(Role.GATEWAY))),
        Account(naming.RELAY, NAMESPACE_APP, tuple(_sends(queues)) if sqs else ()),
        *(
            Account(
                naming.worker(pool.name),
                NAMESPACE_APP,
                (*(_works(pool.queue, queues) if sqs else ()), *_uploads(Role.WORKER)),
            )
            for pool in stack.workloads.own_pools
        ),
        Account(naming.ARCHIVER, NAMESPACE_APP, tuple(_archives(queues)) if sqs else ()),
        Account(naming.TOPOLOGY, NAMESPACE_APP, tuple(_measures(queues)) if sqs else ()),
        Account(naming.RETENTION, NAMESPACE_APP, tuple(_uploads(Role.OWNER))),
        Account(KEDA_ACCOUNT, keda_namespace, tuple(_measures(queues)) if sqs else ()),
    ]
    return tuple(account for account in found if account.grants)


def _sends(queues: list[str]) -> Iterator[Grant]:
    yield from (Grant(Target.WORK, SENDS, queue) for queue in queues)
    yield Grant(Target.QUEUES_KEY, WRITES_ENCRYPTED)


def _works(queue: str, queues: list[str]) -> Iterator[Grant]:
    """A worker sends, too: a retry, and what a task sends outside a transaction."""
    yield Grant(Target.WORK, (*CONSUMES, "sqs:SendMessage"), queue)
    yield from (Grant(Target.WORK, SENDS, other) for other in queues if other != queue)
    yield Grant(Target.QUEUES_KEY, WRITES_ENCRYPTED)


def _archives(queues: list[str]) -> Iterator[Grant]:
    yield from (Grant(Target.DEAD, EMPTIES, queue) for queue in queues)
    yield Grant(Target.QUEUES_KEY, READS_ENCRYPTED)


def _measures(queues: list[str]) -> Iterator[Grant]:
    """Attributes are not encrypted, so this needs no key."""
    yield from (Grant(Target.WORK, MEASURES, queue) for queue in queues)


def _uploads(role: Role) -> Iterator[Grant]:
    """As on our own S3 server; on AWS the objects are encrypted as well."""
    for resource, actions in RIGHTS[role].items():
        yield Grant(Target.OBJECTS if resource.endswith("/*") else Target.BUCKET, actions)
        if "s3:PutObject" in actions:
            yield Grant(Target.UPLOADS_KEY, WRITES_ENCRYPTED)
