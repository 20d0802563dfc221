"""The pages that a person opens, and with which credentials."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from infra.local import brokers
from infra.local.state import State


@dataclass(frozen=True)
class Url:
    """One address."""

    name: str
    address: str
    user: str
    #: File that holds the password or key.
    secret: Path


def _port(name: str, default: int) -> str:
    return os.environ.get(f"MILLRACE_PORT_{name}", str(default))


def urls(state: State, gateway: str) -> list[Url]:
    """All of them; every port is on the loopback interface."""
    operator = state.secrets / "operator"
    left_out = {"RabbitMQ", "Flower"} if brokers.kept(state) is not brokers.RABBITMQ else set()
    everything = [
        Url(
            "gateway",
            f"{gateway}/openapi.json",
            "X-API-Key",
            state.secrets / "client" / "api_key",
        ),
        Url(
            "RabbitMQ",
            f"https://localhost:{_port('MANAGEMENT_1', 15671)}/",
            "operator",
            operator / "rabbitmq_password",
        ),
        Url(
            "Flower",
            f"https://localhost:{_port('FLOWER', 5555)}/",
            "operator",
            operator / "flower_password",
        ),
        Url(
            "Prometheus",
            f"https://localhost:{_port('PROMETHEUS', 9090)}/",
            "operator",
            operator / "prometheus_password",
        ),
        Url(
            "PostgreSQL",
            f"postgresql://localhost:{_port('POSTGRESQL', 15432)}/millrace?sslmode=verify-full",
            "auditor",
            state.secrets / "auditor" / "postgresql_password",
        ),
    ]
    return [url for url in everything if url.name not in left_out]
