"""The two files that Docker Compose runs: compose.yaml, and the workers of the declared queues made of its template."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from app.contract import Queue, QueuesFileError
from infra import naming, worker
from infra.local.state import REPOSITORY, container_uid
from infra.servers.capacity import Fleet, Workers
from infra.servers.rabbitmq.outsiders import Outsider, foreign_pools, producers
from infra.settings import limits, shutdown
from infra.settings.explain import JOINED
from infra.settings.pools import misplaced, own_pool
from infra.settings.shutdown import Timings
from infra.settings.workloads import Application, Pool

COMPOSE_FILE = REPOSITORY / "compose.yaml"
_TEMPLATE = "x-worker"
#: In compose.yaml.
RELAYS = 2


def whole(queues: Sequence[Queue]) -> dict[str, Any]:
    """Both files as Compose sees them together."""
    document: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
    return document | {"services": document["services"] | _services(document[_TEMPLATE], queues)}


def workers_file(queues: Sequence[Queue]) -> str:
    """The second file: a service for each queue.

    Raises:
        QueuesFileError: the pool of a queue cannot be run; each line names it.
    """
    template = yaml.safe_load(COMPOSE_FILE.read_text())[_TEMPLATE]
    return yaml.safe_dump({"services": _services(template, queues)}, sort_keys=False)


def outsiders_of(queues: Sequence[Queue]) -> tuple[Outsider, ...]:
    """The outsiders that log in to the local stack's RabbitMQ."""
    return (*producers(queues), *foreign_pools([own_pool(queue) for queue in queues]))


def fleet(queues: Sequence[Queue]) -> Fleet:
    """The processes of the local stack. Everything twice: a server believes in a killed client for half a minute."""
    pools = [own_pool(queue) for queue in queues]
    workers = (Workers(pods=2, children=pool.concurrency) for pool in pools if pool.application is None)
    return Fleet(gateways=2, relays=2 * RELAYS, queues=len(queues), workers=tuple(workers))


def _services(template: Mapping[str, Any], queues: Sequence[Queue]) -> dict[str, Any]:
    pools = [own_pool(queue) for queue in queues]
    if problems := misplaced(queues, pools):
        raise QueuesFileError(JOINED.join(problems))
    return {naming.worker(pool.name): _service(template, pool) for pool in pools}


def _service(template: Mapping[str, Any], pool: Pool) -> dict[str, Any]:
    where = f"[{pool.name}.pool] "
    late = [str(bound) for bound in shutdown.of_pool(pool, where, Timings()) if not bound.holds]
    if problems := [*late, *limits.broken_of_pool(pool, where)]:
        raise QueuesFileError(JOINED.join(problems))
    # A copy, or YAML would write references from one service to another.
    own: dict[str, Any] = copy.deepcopy(dict(template))
    sizes = {"mem_limit": pool.resources.memory_bytes, "stop_grace_period": f"{pool.grace_period_seconds}s"}
    if pool.application is not None:
        own.pop("command")  # this is our command; an empty list would override the image's own
        return own | _foreign(pool, pool.application, own) | sizes
    return own | {"environment": own["environment"] | worker.environment(pool)} | sizes


def _foreign(pool: Pool, application: Application, template: Mapping[str, Any]) -> dict[str, Any]:
    """What replaces our own entries: the application gets none of our settings, and of our secrets only its own."""
    secrets = f"${{MILLRACE_STATE_DIR:-./.millrace}}/secrets/{naming.worker(pool.name)}:/run/secrets/millrace:ro"
    return {
        "image": application.image,
        **({"command": list(application.command)} if application.command else {}),
        # The files of its secrets belong to this user; the image's own user cannot read them.
        "user": f"{container_uid()}:{container_uid()}",
        "tmpfs": ["/tmp"],  # noqa: S108 - in the container
        "environment": worker.environment(pool) | application.environment,
        "volumes": [secrets],
        "healthcheck": template["healthcheck"] | {"test": ["CMD", *application.probe]},
        "depends_on": {"topology": template["depends_on"]["topology"]},
    }
