"""A whole Millrace for tests: compose.yaml's services in a network of their own, with secrets of their own.

One class, which tests hold in their hands; its parts are the modules beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis
from testcontainers.core.network import Network

from app import contract
from app.contract import Role, Scope
from infra import naming
from infra.local import secrets, settings_files
from infra.local.folders import RABBITMQ_NODES
from infra.local.state import State
from infra.servers.rabbitmq.cluster import RabbitMQVersion
from tests.harness import cleanup, images, services
from tests.harness.broker import Broker
from tests.harness.containers import Machine
from tests.harness.ports import free_port
from tests.harness.tls import answers_tls
from tests.harness.waiting import PATIENCE_SECONDS, eventually
from tests.harness.ways_in import WaysIn

#: What is ours to start and break; Flower and Prometheus only where a test asks for them.
PROCESSES = ("gateway", "relay-1", "relay-2", "worker-interactive", "worker-bulk", "archiver")
#: The gateway refuses later than in production: a test machine that is busy is no PostgreSQL that is frozen.
ANSWER_SECONDS = 15
#: Otherwise short, where the defaults are made for production: tested is the order of events, not its duration.
QUICK = {
    "MILLRACE_POSTGRESQL_ANSWER_SECONDS": str(ANSWER_SECONDS),
    "MILLRACE_DRILLS_ENABLED": "true",
    "MILLRACE_RETRY_BASE_SECONDS": "0.2",
    "MILLRACE_RELAY_LEASE_SECONDS": "5",
    "MILLRACE_RELAY_CONFIRM_TIMEOUT_SECONDS": "4",
}
#: For relays where a test counts how often something was sent: a slow broker or relay must not make them send again.
PATIENT_RELAY = {"MILLRACE_RELAY_LEASE_SECONDS": "600", "MILLRACE_RELAY_CONFIRM_TIMEOUT_SECONDS": "500"}
#: A quorum queue tells its counts once in this time (milliseconds; 5,000 by default), and a drained broker is one that
#: told nought twice.
TICK_MILLISECONDS = 500
BROKER = {"ERL_AFLAGS": f"-rabbit quorum_tick_interval {TICK_MILLISECONDS}"}


class Stack(WaysIn):
    """Servers that live for a session, and processes that each test may replace, kill and start again."""

    def __init__(
        self, name: str, folder: Path, *, version: RabbitMQVersion = "4.3", nodes: int = 1, image: str | None = None
    ) -> None:
        """Describe it, with the application of `image` if one is named; `start` makes it."""
        self.name = name
        self.version = version
        self.nodes = RABBITMQ_NODES[:nodes]
        self.servers = ("postgresql", "redis", "objectstore", *self.nodes)
        super().__init__(State(folder))
        self.machines: dict[str, Machine] = {}
        #: Where the processes write their heartbeats.
        self.heartbeats = folder / "heartbeats"
        self._foreign = {naming.worker(queue.name) for queue in contract.queues() if queue.foreign}
        self._own_image = {"MILLRACE_IMAGE_APP": image} if image else {}
        self._network = Network(docker_network_kw={"labels": cleanup.labels()})
        self.broker: Broker

    # --- Beginning and end

    def start(self) -> None:
        """Start the servers, make schema, topology and an API key; the processes start when a test wants them."""
        secrets.write_secrets(self.state)
        settings_files.write_settings(self.state, self.version, self.nodes or RABBITMQ_NODES)
        self.heartbeats.mkdir(exist_ok=True)
        self.heartbeats.chmod(0o777)  # the containers' user is another
        self._network.create()
        password = self.password(Role.OPERATOR, "rabbitmq")
        management = [self.port(node, contract.PORT_RABBITMQ_MANAGEMENT) for node in self.nodes]
        self.broker = Broker(management, self.ca_file, password)
        with ThreadPoolExecutor() as pool:
            list(
                pool.map(
                    lambda name: self._create(name, environment=BROKER if name in self.nodes else {}), self.servers
                )
            )
            schema = pool.submit(self._prepare_postgresql)
            topology = pool.submit(self._prepare_rabbitmq)
            schema.result()
            topology.result()

    def close(self) -> None:
        """Remove all of it."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(Machine.remove, self.machines.values()))
        self.machines.clear()
        if hasattr(self, "broker"):
            self.broker.close()
        cleanup.remove_network(self._network.name)

    def _prepare_postgresql(self) -> None:
        self.wait("postgresql")
        self.run("migrate")
        scopes = [part for scope in Scope for part in ("--scope", str(scope))]
        self.api_key = self.operate("api-keys", "create", "--name", "tests", *scopes).split()[-1]

    def _prepare_rabbitmq(self) -> None:
        for server in ("redis", "objectstore", *self.nodes):
            self.wait(server)
        everyone = len(self.nodes)
        eventually(
            lambda: self.broker.nodes_running() == everyone,
            what=f"{everyone} nodes form a cluster", every=0.3, tolerate=(httpx.HTTPError,),
        )  # fmt: skip
        self.run("topology")

    # --- Processes

    def ensure(self, *names: str, **environment: str) -> None:
        """Have these run with this environment on top of the usual; what runs so already is left alone."""
        names = names or PROCESSES
        wanted = {name: {**QUICK, **environment} for name in names}
        self.start_all({name: env for name, env in wanted.items() if not self._runs_so(name, env)})

    def heal(self) -> None:
        """Start every server that is down, and every process anew that is down or was started for a fault.

        What only an earlier test wanted goes: a worker of the external class would take what a test looks for.
        """
        self.remove(*(self.machines.keys() - {*self.servers, *PROCESSES}))
        for name in self.servers:
            if not self.machines[name].running:
                self.machines[name].start_again()
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.wait, self.servers))
        self.ensure()

    def start_all(self, wanted: Mapping[str, Mapping[str, str]]) -> None:
        """Start processes side by side and wait until each does its work."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda item: self.replace(item[0], environment=item[1]), wanted.items()))

    def replace(
        self, name: str, *, wait: bool = True, environment: Mapping[str, str] | None = None, **options: Any
    ) -> Machine:
        """Start a process afresh, under its name, in place of the one that was there."""
        self.remove(name)
        machine = self._create(name, environment=environment if environment is not None else QUICK, **options)
        if wait:
            self.wait(name)
        return machine

    def remove(self, *names: str) -> None:
        """Take processes away for good."""
        for name in names:
            if machine := self.machines.pop(name, None):
                machine.remove()

    def run(self, name: str, *command: str, within: float = PATIENCE_SECONDS, **options: Any) -> str:
        """Run a one-shot service to its end; returns what it printed."""
        service = self.service(name)
        suffix = f"{self._prefix}-once-{free_port()}"
        machine = Machine(service, self._network, suffix, command=command or None, **options)
        try:
            machine.start()
            code = machine.wait_ended(within=within)
            assert code == 0, f"{name} {command} ended with {code}:\n{machine.logs(40)}"
            return machine.docker.logs(stderr=False).decode()
        finally:
            machine.remove()

    def script(self, name: str, script: str, *words: str, **options: Any) -> str:
        """Run a Python script with the image and the rights of a service; returns what it printed."""
        return self.run(name, *words, options={"entrypoint": ["python", "-c", script]}, **options)

    def operate(self, *command: str, **options: Any) -> str:
        """A command of the operator's: `dead-letters`, `api-keys`."""
        return self.run("operator", *command, **options)

    def service(self, name: str) -> services.Service:
        """What compose.yaml says of a service, for this stack."""
        return services.read(name, self._variables)

    def add(self, service: services.Service, **options: Any) -> Machine:
        """Start a container in this stack's network, under the name of its service; it does not wait."""
        heartbeats = self.heartbeats if self._beats(service.name) else None
        machine = Machine(service, self._network, self._prefix, heartbeats=heartbeats, **options)
        self.machines[service.name] = machine
        machine.start()
        return machine

    def _create(self, name: str, **options: Any) -> Machine:
        service = self.service(name)
        ports = {inside: self.port(name, inside) for inside in self._published(service)}
        return self.add(service, ports=ports, **options)

    def _published(self, service: services.Service) -> Iterable[int]:
        """What compose publishes, and the metrics, which it does not: the tests knock at every door."""
        if service.name.startswith(("relay", "worker", "archiver", "beat")):
            return (*service.ports, contract.PORT_METRICS)
        if service.name in self.nodes:
            return (*service.ports, contract.PORT_RABBITMQ_METRICS)
        return service.ports

    def _runs_so(self, name: str, environment: Mapping[str, str]) -> bool:
        machine = self.machines.get(name)
        return (
            machine is not None
            and machine.environment == {**machine.service.environment, **environment}
            and not machine.special
            and machine.running
        )

    # --- Waiting

    def wait(self, name: str, *, within: float = PATIENCE_SECONDS) -> None:
        """Wait until a service answers, or at once say what it wrote before it ended."""

        def ready() -> bool:
            if not self.machines[name].running:
                raise AssertionError(f"{name} ended:\n{self.machines[name].logs(40)}")
            return self._answers(name)

        tolerate = (OSError, httpx.HTTPError, psycopg.Error, redis.RedisError)
        # A foreign worker is asked inside its container: more often, that would take a processor.
        every = 0.5 if name in self._foreign else 0.2
        eventually(ready, within=within, what=f"{name} answers", every=every, tolerate=tolerate)

    def _answers(self, name: str) -> bool:
        if name == "postgresql":
            self.database().close()
            return True
        if name == "redis":
            with self.redis() as session:
                return bool(session.ping())
        if name in self.nodes:
            return answers_tls(self.port(name, contract.PORT_AMQPS), self.ca_file)
        if name == "gateway":
            with self.http() as client:
                return client.get("/readyz").status_code == httpx.codes.OK
        if name in self._foreign or name == "objectstore":
            return self.machines[name].healthy()
        return self.machines[name].consuming() if self._beats(name) else True

    def _beats(self, name: str) -> bool:
        """Whether a service writes a heartbeat."""
        return name.startswith(("relay", "worker", "archiver", "beat")) and name not in self._foreign

    @property
    def _prefix(self) -> str:
        return f"millrace-test-{cleanup.labels()[cleanup.RUN_LABEL]}-{self.name}"

    @property
    def _variables(self) -> dict[str, str]:
        state = {"MILLRACE_STATE_DIR": str(self.state.root)}
        return {**images.compose_variables(self.version), **self._own_image, **state}
