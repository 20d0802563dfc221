"""Ways into a stack from the host: HTTP, metrics, PostgreSQL and Redis, each with the credentials that it asks for."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from app import contract
from app.contract import Role
from infra.local.state import State
from tests.harness.ports import free_port


class WaysIn:
    """What a stack is reached by; its secrets are those of `state`."""

    def __init__(self, state: State) -> None:
        """No connection is made."""
        self.state = state
        self._ports: dict[tuple[str, int], int] = {}
        self.api_key = ""

    @property
    def ca_file(self) -> Path:
        """The CA of this stack."""
        return self.state.secrets / "client" / "ca.crt"

    def password(self, role: str, server: str) -> str:
        """A role's password."""
        return (self.state.secrets / role / f"{server}_password").read_text()

    def login(self, role: str, server: str) -> str:
        """The name with which a role logs in."""
        return (self.state.secrets / role / f"{server}_user").read_text()

    def port(self, name: str, inside: int) -> int:
        """Where a container's port is published: the same for the life of the stack."""
        return self._ports.setdefault((name, inside), free_port())

    @property
    def gateway_url(self) -> str:
        """The gateway, from the host."""
        return f"https://127.0.0.1:{self.port('gateway', contract.PORT_GATEWAY)}"

    def http(self, **options: Any) -> httpx.Client:
        """A client of the gateway with the API key."""
        headers = {contract.HEADER_API_KEY: self.api_key} | options.pop("headers", {})
        context = ssl.create_default_context(cafile=str(self.ca_file))
        return httpx.Client(
            base_url=self.gateway_url, verify=context, headers=headers, timeout=60, trust_env=False, **options
        )

    def metrics_client(self, name: str) -> httpx.Client:
        """A client of a process's metrics with Prometheus' certificate."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        folder = self.state.secrets / Role.PROMETHEUS
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        url = f"https://127.0.0.1:{self.port(name, contract.PORT_METRICS)}"
        return httpx.Client(base_url=url, verify=context, timeout=30, trust_env=False)

    def database(self, role: Role = Role.AUDITOR) -> psycopg.Connection[Any]:
        """A session of a role, over verified TLS."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port("postgresql", contract.PORT_POSTGRESQL),
            dbname=contract.POSTGRESQL_DATABASE,
            user=self.login(role, "postgresql"),
            password=self.password(role, "postgresql"),
            sslmode="verify-full",
            sslrootcert=str(self.ca_file),
            connect_timeout=120,
            autocommit=True,
        )

    def query(self, statement: str, *arguments: object, role: Role = Role.AUDITOR) -> list[tuple[Any, ...]]:
        """Rows of one statement."""
        with self.database(role) as connection:
            cursor = connection.execute(statement, arguments)
            return list(cursor.fetchall()) if cursor.description else []

    def engine(self, role: Role) -> Engine:
        """A role's connections for code of the application that runs in this process."""

        def connect() -> psycopg.Connection[Any]:
            connection = self.database(role)
            connection.autocommit = False
            return connection

        return create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)

    def redis(self) -> redis.Redis:
        """The operator's Redis session."""
        return redis.Redis(
            host="127.0.0.1",
            port=self.port("redis", contract.PORT_REDIS),
            username=str(Role.OPERATOR),
            password=self.password(Role.OPERATOR, "redis"),
            ssl=True,
            ssl_ca_certs=str(self.ca_file),
            socket_timeout=30,
        )
