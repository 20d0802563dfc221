"""Millrace on Kubernetes: `pulumi up -s staging`, `pulumi up -s prod`. Read from top to bottom, this is the system."""

from __future__ import annotations

from app.contract import Role
from infra import backends, naming
from infra.below import Below
from infra.components.archiver import Archiver
from infra.components.beat import Beat
from infra.components.certificates import Certificates
from infra.components.flower import Flower
from infra.components.foreign_pool import ForeignPool
from infra.components.gateway import Gateway
from infra.components.jobs import OneShot, Operator, Retention
from infra.components.monitoring import Monitoring
from infra.components.namespaces import Namespaces
from infra.components.network_policies import NetworkPolicies
from infra.components.passwords import Passwords
from infra.components.queues import Queues
from infra.components.relay import Relay
from infra.components.rotation import BEGUN, ENDED, Rotation
from infra.components.worker_pool import WorkerPool
from infra.settings import load

stack = load.from_pulumi()
below = Below.of(stack)
# Before anything runs: where it runs, who may talk to whom, how everyone proves who they are, which queues there are.
namespaces = Namespaces(stack)
begun = Rotation(stack, BEGUN, after=[namespaces])
passwords = Passwords(stack, stack.outsiders, backends.given(stack, below), after=[namespaces, begun])
certificates = Certificates(stack, passwords, after=[namespaces, begun])
ground = [NetworkPolicies(stack, after=[namespaces]), certificates, passwords, Queues(stack, after=[namespaces])]

# Broker, results, database and backups, as the stack chose them.
servers = backends.build(stack, certificates, passwords, below, after=ground)

# The schema, and the exchanges and queues: the rest finds them there.
migrated = OneShot(stack, servers, naming.MIGRATE, Role.OWNER, "postgresql", after=ground)
declared = OneShot(stack, servers, naming.TOPOLOGY, Role.TOPOLOGY, "broker", after=ground)

clients = [
    # In: a request becomes a job and a message in one transaction. Out: workers execute, what cannot be done is kept.
    Gateway(stack, servers, certificates, after=[migrated]),
    Relay(stack, servers, certificates, after=[migrated, declared]),
    *(
        WorkerPool(stack, pool, servers, certificates, after=[migrated, declared])
        if pool.application is None
        else ForeignPool.of(stack, pool, pool.application, servers, after=[declared])
        for pool in stack.workloads.pools
    ),
    Archiver(stack, servers, certificates, after=[migrated, declared]),
    # Around: the clock, the nightly cleaning, and what people look at, are woken by and operate with.
    Beat(stack, servers, certificates, after=[declared]),
    Retention(stack, servers, after=[migrated]),
    Operator(stack, servers, after=[migrated, declared]),
    *([Flower(stack, servers, certificates, after=[declared])] if stack.broker.sends_events else []),
    Monitoring(stack, certificates, passwords, after=ground),
]
Rotation(stack, ENDED, after=clients)  # everybody uses the credentials that the stack names
