"""Writes the servers' settings that hold no secret, and says what each server's mounted files amount to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from app import contract
from app.contract import QueuesFileError, Role
from infra.local import compose_files, files, folders, secrets
from infra.local.state import State
from infra.observability import targets
from infra.observability.alerts import rule_files
from infra.servers import capacity
from infra.servers.capacity import Fleet
from infra.servers.object_store import policy_json
from infra.servers.postgresql_conf import pg_hba_conf, postgresql_conf, sessions_room
from infra.servers.prometheus import prometheus_config
from infra.servers.rabbitmq.cluster import Cluster, DiskFreeLimit, RabbitMQVersion
from infra.servers.rabbitmq.files import config
from infra.servers.redis_conf import redis_conf

#: `mem_limit` of the servers in compose.yaml.
RABBITMQ_MEMORY_BYTES = 768 * 1024 * 1024
POSTGRESQL_MEMORY_BYTES = 1024 * 1024 * 1024
REDIS_MEMORY_BYTES = 256 * 1024 * 1024

#: Read again by Prometheus at each scrape; written after everything else runs.
_READ_LATE = "gateway_api_key"


def rabbitmq_cluster(version: RabbitMQVersion, nodes: Sequence[str] = folders.RABBITMQ_NODES) -> Cluster:
    """The brokers of compose.yaml, for a small box: alarms early, and a disk limit that a laptop meets."""
    return Cluster(
        version=version,
        hosts=tuple(nodes),
        memory_limit_bytes=RABBITMQ_MEMORY_BYTES,
        disk_free_limit=DiskFreeLimit("absolute", "500MB"),
    )


def write_settings(state: State, version: RabbitMQVersion, nodes: Sequence[str] = folders.RABBITMQ_NODES) -> None:
    """Everything below `.millrace/config/`, and Compose's file of workers.

    Raises:
        QueuesFileError: the file of queues is refused; nothing was written.
    """
    queues = contract.queues()
    workers = compose_files.workers_file(queues)
    fleet = compose_files.fleet(queues)
    limits = session_limits(fleet)
    app = files.folder(state.config / "app", files.PUBLIC_FOLDER)
    files.write(app / "queues.toml", contract.queues_file().read_bytes(), files.PUBLIC_FILE)
    files.write(state.workers, workers, files.PUBLIC_FILE)
    rabbitmq = files.folder(state.config / "rabbitmq", files.PUBLIC_FOLDER)
    for name, text in config(rabbitmq_cluster(version, nodes)).items():
        files.write(rabbitmq / name, text, files.PUBLIC_FILE)
    postgresql = files.folder(state.config / "postgresql", files.PUBLIC_FOLDER)
    files.write(postgresql / "postgresql.conf", postgresql_conf(POSTGRESQL_MEMORY_BYTES, limits), files.PUBLIC_FILE)
    files.write(postgresql / "pg_hba.conf", pg_hba_conf(), files.PUBLIC_FILE)
    redis = files.folder(state.config / "redis", files.PUBLIC_FOLDER)
    most = capacity.redis_max_clients(fleet)
    files.write(redis / "redis.conf", redis_conf(REDIS_MEMORY_BYTES, most), files.PUBLIC_FILE)
    broker = files.folder(state.config / folders.REDIS_BROKER, files.PUBLIC_FOLDER)
    files.write(broker / "redis.conf", redis_conf(REDIS_MEMORY_BYTES, most, sync="always"), files.PUBLIC_FILE)
    objectstore = files.folder(state.config / "objectstore", files.PUBLIC_FOLDER)
    files.write(objectstore / "policy.json", policy_json(secrets.rotation(state)), files.PUBLIC_FILE)
    prometheus = files.folder(state.config / "prometheus", files.PUBLIC_FOLDER)
    files.write(
        prometheus / "prometheus.yml",
        prometheus_config(folders.RABBITMQ_NODES, queues),
        files.PUBLIC_FILE,
    )
    rules = files.folder(prometheus / "rules", files.PUBLIC_FOLDER)
    wanted = rule_files(targets.compose(folders.RABBITMQ_NODES, queues), queues)
    for name, content in wanted.items():
        files.write(rules / name, content, files.PUBLIC_FILE)
    for path in rules.iterdir():
        if path.name not in wanted:
            path.unlink()


def session_limits(fleet: Fleet) -> dict[Role, int]:
    """PostgreSQL's sessions of each role.

    Raises:
        QueuesFileError: the container has no room for them.
    """
    limits = capacity.session_limits(fleet)
    sessions, room = capacity.max_connections(limits), sessions_room(POSTGRESQL_MEMORY_BYTES)
    if sessions > room:
        raise QueuesFileError(
            f"{sessions} sessions of all processes, and the local PostgreSQL has room for {room}: fewer queues, or a "
            "smaller concurrency in their pools"
        )
    return limits


def hashes(state: State) -> dict[str, str]:
    """One hash a server, and one for the application, of all the files its containers mount."""
    everyone = (*folders.ROLES, *folders.of_outsiders(compose_files.outsiders_of(contract.queues())))
    roles = (state.secrets / folder.name for folder in everyone if folder.name != "prometheus")
    nodes = (state.secrets / node for node in folders.RABBITMQ_NODES)
    return {
        "app": _hash((state.config / "app", *roles)),
        "rabbitmq": _hash((state.config / "rabbitmq", *nodes)),
        "postgresql": _hash((state.config / "postgresql", state.secrets / "postgresql")),
        "redis": _hash((state.config / "redis", state.secrets / "redis")),
        folders.BROKER: _hash((state.config / folders.REDIS_BROKER, state.secrets / folders.REDIS_BROKER)),
        "objectstore": _hash((state.config / "objectstore", state.secrets / "objectstore")),
        "prometheus": _hash((state.config / "prometheus", state.secrets / "prometheus")),
    }


def _hash(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")):
            if file.is_file() and not file.name.startswith(".") and file.name != _READ_LATE:
                digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]
