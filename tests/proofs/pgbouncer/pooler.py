"""PgBouncer as Kubernetes runs it, in front of a stack's PostgreSQL."""

from __future__ import annotations

from app import contract
from infra.authority import Pair
from infra.local import certificates, files, secrets
from infra.servers import pgbouncer
from infra.servers.capacity import Fleet, Workers
from tests.harness import images
from tests.harness.containers import Machine
from tests.harness.services import Service
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

#: Three PgBouncers share the roles' limits of the stack: two of a test, and the sessions of one that vanished.
FLEET = Fleet(gateways=1, relays=1, queues=3, workers=(Workers(pods=1, children=4),), poolers=3)


def settings(stack: Stack, name: str, server: str, *, known_as: str | None = None) -> Service:
    """Its files and its service; `known_as` is a name that several of them share."""
    known_as = known_as or name
    config = files.folder(stack.state.config / name, files.PUBLIC_FOLDER)
    files.write(config / "pgbouncer.ini", pgbouncer.pgbouncer_ini(server, FLEET), files.PUBLIC_FILE)
    private = files.folder(stack.state.secrets / name)
    authority = stack.state.secrets / "ca"
    ca = Pair((authority / "ca.crt").read_bytes(), (authority / "ca.key").read_bytes())
    leaf = certificates.make_leaf(ca, (known_as, "localhost", "127.0.0.1"))
    files.write(private / "ca.crt", ca.certificate)
    files.write(private / "tls.crt", leaf.certificate)
    files.write(private / "tls.key", leaf.key)
    files.write(private / "userlist.txt", pgbouncer.userlist(secrets.passwords(stack.state, "postgresql")))
    return Service(
        name=name,
        image=images.reference("PGBOUNCER"),
        command=(),
        environment={},
        aliases=(known_as,),
        tmpfs=(),
        ports=(contract.PORT_POSTGRESQL,),
        mounts={str(config): "/etc/millrace", str(private): "/run/secrets/millrace"},
        options={
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "mem_limit": "64m",
        },
    )


def start(stack: Stack, service: Service) -> Machine:
    """Start it in the stack's network."""
    ports = {contract.PORT_POSTGRESQL: stack.port(service.name, contract.PORT_POSTGRESQL)}
    machine = Machine(service, stack._network, stack._prefix, ports=ports)
    machine.start()
    return machine


def wait_well(pgbouncer: Machine) -> None:
    """Wait until its own health check says so."""
    eventually(lambda: pgbouncer.docker.exec_run(["millrace-healthy"]).exit_code == 0, what="PgBouncer is well")
