"""The addresses and credentials of a stack: read from the checkout's `.millrace/`, never from arguments."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from app import contract
from app.contract import Role
from loadtests.errors import NotReadyError, SecretsMissingError
from loadtests.verdict import MAX_LATENESS_P99_MS

#: Published ports of the local stack; `MILLRACE_PORT_<NAME>` overrides each.
DEFAULT_PORTS = {
    "GATEWAY": 8443,
    "POSTGRESQL": 15432,
    "MANAGEMENT_1": 15671,
    "MANAGEMENT_2": 15672,
    "MANAGEMENT_3": 15673,
    "FLOWER": 5555,
    "PROMETHEUS": 9090,
    "SQS": 14566,
    "REDIS_BROKER": 16380,
}
#: As `BROKER=` of `make up` names it.
RABBITMQ, SQS, REDIS = "rabbitmq", "sqs", "redis"
_CONNECT_TIMEOUT_SECONDS = 5
_FAULTS = {
    RABBITMQ: ("kill-busiest-leader",),
    SQS: ("kill-worker", contract.EVENT_LIST_QUEUE),
    REDIS: ("kill-redis-broker",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A running Millrace, as an outsider reaches it. Passwords do not show in its representation."""

    name: str
    gateway_url: str
    ca_file: Path
    #: Of PostgreSQL and RabbitMQ; the gateway's may be a public one.
    internal_ca_file: Path
    api_key_file: Path
    postgresql_host: str
    postgresql_port: int
    postgresql_password: str = field(repr=False)
    management_urls: tuple[str, ...]
    management_password: str = field(repr=False)
    #: For people: where keys and passwords are.
    credentials: str
    closing_note: str
    web_urls: Mapping[str, str] = field(default_factory=dict)
    #: The pause between a connection that broke and the next try.
    renew_postgresql: Callable[[], object] = field(default=lambda: None, repr=False)
    #: How `python -m chaos` reaches the same stack.
    chaos_arguments: tuple[str, ...] = ()
    chaos_environment: Mapping[str, str] = field(default_factory=dict)
    lateness_bound_ms: float = MAX_LATENESS_P99_MS
    broker: str = RABBITMQ
    #: Where the emulator of SQS answers, if it is the broker.
    sqs_url: str = ""
    #: The broker's Redis, and the operator's password there.
    redis_broker_port: int = 0
    redis_broker_password: str = field(default="", repr=False)

    @property
    def broker_nodes(self) -> int:
        """How many there are."""
        return len(self.management_urls) if self.broker == RABBITMQ else 1

    @property
    def fault(self) -> tuple[str, ...]:
        """The fault of a run kills a broker's node, Redis, or a worker where the broker is an emulator."""
        return _FAULTS[self.broker]

    @property
    def api_key(self) -> str:
        """The key that the generator sends."""
        return read_secret(self.api_key_file)

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A read-only session of the auditor's, over TLS with the server's name checked."""
        try:
            return psycopg.connect(
                host=self.postgresql_host,
                port=self.postgresql_port,
                dbname=contract.POSTGRESQL_DATABASE,
                user=str(Role.AUDITOR),
                password=self.postgresql_password,
                sslmode="verify-full",
                sslrootcert=str(self.internal_ca_file),
                connect_timeout=_CONNECT_TIMEOUT_SECONDS,
                application_name="loadtests",
                options="-c default_transaction_read_only=on",
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            message = f"PostgreSQL on {self.postgresql_host}:{self.postgresql_port} does not answer: {error}"
            raise NotReadyError(message) from error


def local_target(state: Path | None = None) -> Target:
    """The stack of this checkout.

    Raises:
        SecretsMissingError: the stack was never started here.
    """
    state = state or Path(os.environ.get("MILLRACE_STATE_DIR", ".millrace"))
    secrets = state.resolve() / "secrets"
    client = secrets / "client"

    def port(name: str) -> int:
        return int(os.environ.get(f"MILLRACE_PORT_{name}", DEFAULT_PORTS[name]))

    chosen = state / contract.LOCAL_BROKER_FILE
    broker = str(json.loads(chosen.read_text())["name"]) if chosen.is_file() else RABBITMQ
    return Target(
        name="local",
        broker=broker,
        sqs_url=f"http://127.0.0.1:{port('SQS')}" if broker == SQS else "",
        redis_broker_port=port("REDIS_BROKER"),
        redis_broker_password=read_secret(secrets / Role.OPERATOR / "redis_broker_password") if broker == REDIS else "",
        gateway_url=f"https://localhost:{port('GATEWAY')}",
        ca_file=_file(client / "ca.crt"),
        internal_ca_file=_file(client / "ca.crt"),
        api_key_file=_file(client / "api_key"),
        postgresql_host="localhost",
        postgresql_port=port("POSTGRESQL"),
        postgresql_password=read_secret(secrets / Role.AUDITOR / "postgresql_password"),
        management_urls=tuple(
            os.environ.get(contract.MANAGEMENT_URLS_VARIABLE, "").split()
            or (f"https://localhost:{port(f'MANAGEMENT_{node}')}" for node in (1, 2, 3))
        ),
        management_password=read_secret(secrets / Role.OPERATOR / "rabbitmq_password"),
        credentials=f"{secrets}/operator/ (user operator), {client}/ (API key)",
        closing_note="The stack keeps running; `make down` stops it.",
        web_urls={
            "Gateway": f"https://localhost:{port('GATEWAY')}/openapi.json",
            **(
                {
                    "RabbitMQ": f"https://localhost:{port('MANAGEMENT_1')}",
                    "Flower": f"https://localhost:{port('FLOWER')}",
                }
                if broker == RABBITMQ
                else {}
            ),
            "Prometheus": f"https://localhost:{port('PROMETHEUS')}",
        },
    )


def _file(path: Path) -> Path:
    if not path.is_file():
        message = f"{path} is missing."
        raise SecretsMissingError(message)
    return path


def read_secret(path: Path) -> str:
    """A password or key, from its file."""
    return _file(path).read_text().strip()
