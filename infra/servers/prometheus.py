"""Prometheus' settings: what it scrapes and how it proves itself to each, and who may read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from app import contract
from app.contract import Queue, Role
from infra import naming
from infra.servers import hashes
from infra.servers.logins import Accepted, logins

SECRETS = "/run/secrets/millrace"
SCRAPE_INTERVAL = "10s"

_CA = {"ca_file": f"{SECRETS}/ca.crt"}
_CLIENT = {**_CA, "cert_file": f"{SECRETS}/tls.crt", "key_file": f"{SECRETS}/tls.key"}


def _job(name: str, hosts: Sequence[str], port: int, **settings: Any) -> dict[str, Any]:
    """One job; the instance is the host name alone, which is what a person looks for."""
    return {
        "job_name": name,
        "scheme": "https",
        "tls_config": _CA,
        **settings,
        "static_configs": [{"targets": [f"{host}:{port}" for host in hosts]}],
        "relabel_configs": [
            {
                "source_labels": ["__address__"],
                "regex": "([^:]+):.*",
                "target_label": "instance",
                "replacement": "$1",
            }
        ],
    }


def prometheus_config(nodes: Sequence[str], queues: Sequence[Queue]) -> str:
    """prometheus.yml. Names are written out and not discovered: a target that vanishes must stay visible as down."""
    rabbitmq = {
        "basic_auth": {
            "username": str(Role.PROMETHEUS),
            "password_file": f"{SECRETS}/rabbitmq_password",
        }
    }
    # Each asks Prometheus for its certificate, and shows one of its own name; workers share theirs, as they do a role.
    workers = {**_CLIENT, "server_name": str(Role.WORKER)}
    ours = [naming.worker(queue.name) for queue in queues if not queue.foreign]
    jobs = [
        _job(
            "gateway",
            ["gateway"],
            contract.PORT_GATEWAY,
            authorization={
                "type": "Bearer",
                "credentials_file": f"{SECRETS}/gateway_api_key",
            },
        ),
        _job("relay", ["relay-1", "relay-2"], contract.PORT_METRICS, tls_config=_CLIENT),
        _job("worker", ours, contract.PORT_METRICS, tls_config=workers),
        _job("archiver", ["archiver"], contract.PORT_METRICS, tls_config=_CLIENT),
        _job("beat", ["beat"], contract.PORT_METRICS, tls_config=_CLIENT),
        _job("rabbitmq", nodes, contract.PORT_RABBITMQ_METRICS, **rabbitmq),
        # Per queue, and only what the alerts read: the full list grows with every queue of the delay ladder.
        _job(
            "rabbitmq-queues",
            nodes,
            contract.PORT_RABBITMQ_METRICS,
            metrics_path="/metrics/detailed",
            params={
                "family": ["queue_coarse_metrics", "queue_consumer_count"],
                "vhost": [contract.VHOST],
            },
            **rabbitmq,
        ),
        _job(
            "prometheus",
            ["localhost"],
            contract.PORT_PROMETHEUS,
            basic_auth={
                "username": str(Role.PROMETHEUS),
                "password_file": f"{SECRETS}/prometheus_password",
            },
        ),
    ]
    document = {
        "global": {
            "scrape_interval": SCRAPE_INTERVAL,
            "scrape_timeout": "8s",
            "evaluation_interval": "10s",
        },
        "rule_files": ["/etc/millrace/rules/*.yml"],
        "scrape_configs": jobs,
    }
    return yaml.safe_dump(document, sort_keys=False)


def web_config(passwords: Mapping[Role, Accepted]) -> str:
    """web.yml: TLS, and two users: the person, and Prometheus asking itself. A user has two logins in a rotation."""
    return yaml.safe_dump(
        {
            "tls_server_config": {
                "cert_file": f"{SECRETS}/tls.crt",
                "key_file": f"{SECRETS}/tls.key",
                "min_version": "TLS12",
            },
            "basic_auth_users": {
                login: hashes.prometheus(password)
                for role, accepted in passwords.items()
                for login, password in logins(role, accepted).items()
                if password is not None
            },
        },
        sort_keys=False,
    )


def probe_config() -> str:
    """How `promtool check healthy` gets in, without a password among its arguments."""
    return yaml.safe_dump(
        {
            "basic_auth": {
                "username": str(Role.PROMETHEUS),
                "password_file": f"{SECRETS}/prometheus_password",
            },
            "tls_config": _CA,
        },
        sort_keys=False,
    )
