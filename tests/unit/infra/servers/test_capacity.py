"""What the servers hold follows from the processes that there may be, on Kubernetes and in the local stack."""

from __future__ import annotations

import dataclasses
import re

from hypothesis import given, settings, strategies as st

from app import contract
from app.contract import Role
from infra.local import compose_files
from infra.local.settings_files import POSTGRESQL_MEMORY_BYTES
from infra.servers import capacity
from infra.servers.capacity import POOLED_ROLES, Fleet, Workers
from infra.servers.postgresql_conf import sessions_room
from infra.settings.scaling import most_replicas
from tests.unit.infra.stacks import Rendered

FLEETS = st.builds(
    Fleet,
    gateways=st.integers(1, 200),
    relays=st.integers(1, 10),
    queues=st.integers(1, 30),
    workers=st.lists(
        st.builds(Workers, pods=st.integers(1, 200), children=st.integers(1, 64)), min_size=1, max_size=5
    ).map(tuple),
    poolers=st.integers(1, 9),
)


@settings(max_examples=200, deadline=None)
@given(FLEETS)
def test_every_child_finds_a_session(fleet: Fleet) -> None:
    """However far the pools scale out; the PgBouncers stay within the roles' limits while a roll-out runs one more."""
    limits = capacity.session_limits(fleet)

    assert capacity.pool_size(fleet, Role.WORKER) * fleet.poolers >= fleet.children
    for role in POOLED_ROLES:
        assert 1 <= capacity.pool_size(fleet, role) * (fleet.poolers + 1) <= limits[role]
    assert sum(limits.values()) < capacity.max_connections(limits)
    assert capacity.pooler_clients(fleet) * max(1, fleet.poolers - 1) >= fleet.database_clients
    assert capacity.redis_max_clients(fleet) > fleet.redis_clients
    assert capacity.broker_limits(fleet)[Role.WORKER] >= fleet.worker_connections


@settings(max_examples=200, deadline=None)
@given(FLEETS)
def test_a_larger_fleet_never_gets_less(fleet: Fleet) -> None:
    """And without PgBouncer each process has its own sessions."""
    more = dataclasses.replace(fleet, workers=(*fleet.workers, Workers(pods=1, children=1)))
    direct = dataclasses.replace(fleet, poolers=0)

    assert capacity.session_limits(more)[Role.WORKER] >= capacity.session_limits(fleet)[Role.WORKER]
    assert capacity.session_limits(direct)[Role.WORKER] >= fleet.children + fleet.parents
    assert capacity.session_limits(direct)[Role.GATEWAY] >= 8 * fleet.gateways


def test_a_pod_more_restarts_no_server() -> None:
    """PostgreSQL starts anew for another number of sessions, so numbers grow in steps."""
    fleet = Fleet(gateways=2, relays=2, queues=3, workers=(Workers(pods=11, children=4),), poolers=2)
    more = dataclasses.replace(fleet, workers=(Workers(pods=12, children=4),))

    assert capacity.session_limits(fleet) == capacity.session_limits(more)


def test_the_servers_of_a_stack_have_room_for_its_pools(rendered: Rendered) -> None:
    """PgBouncer's pools together, and PostgreSQL's limit of the role, against the pods that the scalers may start."""
    stack = rendered.stack
    children = sum(most_replicas(pool.scaling) * pool.concurrency for pool in stack.workloads.own_pools)
    ini = rendered.one("ConfigMap", "pgbouncer-config").body["data"]["pgbouncer.ini"]
    [size] = re.findall(r"^worker = pool_size=(\d+)$", ini, re.MULTILINE)

    assert int(size) * stack.pgbouncer.replicas >= children
    if stack.database.kind == "single":
        conf = rendered.one("ConfigMap", "postgresql-config").body["data"]["postgresql.conf"]
        [most] = re.findall(r"^max_connections = '(\d+)'$", conf, re.MULTILINE)
    else:
        spec = rendered.one("Cluster", "postgresql").body["spec"]
        most = spec["postgresql"]["parameters"]["max_connections"]
        [worker] = [role for role in spec["managed"]["roles"] if role["name"] == "worker"]
        assert worker["connectionLimit"] >= int(size) * (stack.pgbouncer.replicas + 1)
    assert int(most) > int(size) * (stack.pgbouncer.replicas + 1)


def test_the_local_stack_has_room_for_its_processes() -> None:
    """The same computation with its own numbers; nobody pools there."""
    fleet = compose_files.fleet(contract.queues())
    limits = capacity.session_limits(fleet)

    assert limits[Role.WORKER] >= fleet.children + fleet.parents
    assert capacity.max_connections(limits) <= sessions_room(POSTGRESQL_MEMORY_BYTES)
    assert fleet.relays == 2 * len([name for name in compose_files.whole(())["services"] if name.startswith("relay-")])
