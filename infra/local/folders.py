"""Which folder of secrets holds what: the one table of who is given which password and which certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app import contract
from app.contract import Role
from infra.servers.rabbitmq.outsiders import Outsider

#: Host names of the three brokers.
RABBITMQ_NODES = ("rabbitmq-1", "rabbitmq-2", "rabbitmq-3")
#: The service, and what the files of its users begin with.
REDIS_BROKER, BROKER = contract.REDIS_BROKER_SERVICE, "redis_broker"
#: Tools on the host speak to published ports.
HOST_NAMES = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Folder:
    """One folder below `.millrace/secrets/`; every folder has `ca.crt`."""

    name: str
    #: Names in the certificate; none: no certificate.
    names: tuple[str, ...] = ()
    #: Servers this role logs in to; each gives a file `<server>_password`.
    passwords: tuple[str, ...] = ()


ROLES: tuple[Folder, ...] = (
    Folder(Role.OWNER, passwords=("postgresql", "s3")),
    Folder(Role.TOPOLOGY, passwords=("rabbitmq", BROKER)),
    Folder(Role.GATEWAY, names=("gateway", *HOST_NAMES), passwords=("postgresql", "redis", "s3")),
    Folder(
        Role.RELAY,
        names=("relay-1", "relay-2", "relay", *HOST_NAMES),
        passwords=("postgresql", "rabbitmq", BROKER),
    ),
    Folder(
        Role.WORKER,
        # The pools share it: a new queue needs no new certificate.
        names=("worker", *HOST_NAMES),
        passwords=("postgresql", "rabbitmq", "redis", "s3", BROKER),
    ),
    Folder(
        Role.ARCHIVER,
        names=("archiver", *HOST_NAMES),
        passwords=("postgresql", "rabbitmq", BROKER),
    ),
    Folder(
        Role.OPERATOR,
        passwords=("postgresql", "rabbitmq", "redis", "flower", "prometheus", BROKER),
    ),
    Folder(Role.AUDITOR, passwords=("postgresql",)),
    Folder(Role.BACKUP, passwords=("postgresql",)),
    Folder(Role.PROBE, passwords=("redis", BROKER)),
    Folder(Role.FLOWER, names=("flower", *HOST_NAMES), passwords=("rabbitmq",)),
    Folder(Role.BEAT, names=("beat", *HOST_NAMES), passwords=("postgresql", "rabbitmq")),
    # Nothing scales here; the users are the same everywhere.
    Folder(Role.KEDA, passwords=("rabbitmq",)),
    Folder(
        Role.PROMETHEUS,
        names=("prometheus", *HOST_NAMES),
        passwords=("rabbitmq", "prometheus"),
    ),
)

SERVERS: tuple[Folder, ...] = (
    *(Folder(node, names=(node, "rabbitmq", *HOST_NAMES)) for node in RABBITMQ_NODES),
    Folder("postgresql", names=("postgresql", *HOST_NAMES)),
    Folder("redis", names=("redis", *HOST_NAMES)),
    Folder(REDIS_BROKER, names=(REDIS_BROKER, *HOST_NAMES)),
    Folder("objectstore", names=("objectstore", *HOST_NAMES)),
)

#: The programs that send events (load tests, drills): an API key, written after the first start.
CLIENT = Folder("client")

ALL = (*ROLES, *SERVERS, CLIENT)


def of_outsiders(outsiders: Sequence[Outsider]) -> tuple[Folder, ...]:
    """The folders of outsiders: each holds a password for RabbitMQ."""
    return tuple(Folder(outsider.user, passwords=("rabbitmq",)) for outsider in outsiders)
