"""RabbitMQ as Kubernetes runs it, without Kubernetes: its names, its files, its user, three containers.

What the pods get is made by the same functions (`infra.servers.rabbitmq`); what the kubelet does with it is done here:
volumes whose files are links, group-readable and of another user, and a data folder that only its group may write.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import amqp
import httpx
from docker.types import Mount
from testcontainers.core.network import Network

from app import contract
from app.contract import Role
from infra.authority import Pair
from infra.local import certificates, compose_files, secrets
from infra.local.state import State, container_uid
from infra.servers import capacity
from infra.servers.rabbitmq import definitions
from infra.servers.rabbitmq.cluster import (
    CONFIG,
    SECRETS,
    Cluster,
    DiskFreeLimit,
    RabbitMQVersion,
    kubernetes_discovery,
    kubernetes_hosts,
    node_name,
)
from infra.servers.rabbitmq.files import config
from tests.harness import cleanup, images, services
from tests.harness.containers import Machine
from tests.harness.inside import run_inside
from tests.harness.ports import free_port
from tests.harness.services import Service
from tests.harness.waiting import eventually

MEMORY_BYTES = 512 * 1024 * 1024
PORTS = (contract.PORT_AMQPS, contract.PORT_RABBITMQ_MANAGEMENT, contract.PORT_RABBITMQ_METRICS)


def project(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write a volume as the kubelet does: links to a folder of this version, which is swapped in one step."""
    number = sum(path.is_dir() and not path.is_symlink() for path in folder.glob("..v*"))
    version = folder / f"..v{number}"
    for name, content in files.items():
        path = version / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(0o440)
        _give_to_group(path)
    swap = folder / "..swap"
    swap.symlink_to(version.name)
    swap.replace(folder / "..data")
    for name in {name.partition("/")[0] for name in files}:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


def _give_to_group(path: Path) -> None:
    if os.getuid() == 0:
        os.chown(path, 0, container_uid())


class Nodes:
    """A cluster of three, and a way in for each role."""

    def __init__(self, folder: Path, version: RabbitMQVersion) -> None:
        """Describe it; `start` makes it."""
        self.state = State(folder)
        self.cluster = Cluster(
            version=version,
            hosts=kubernetes_hosts("rabbitmq-nodes", "millrace-data"),
            discovery=kubernetes_discovery(version),
            memory_limit_bytes=MEMORY_BYTES,
            disk_free_limit=DiskFreeLimit("absolute", "100MB"),
        )
        self.machines: dict[str, Machine] = {}
        self._ports: dict[tuple[str, int], int] = {}
        self._network = Network(docker_network_kw={"labels": cleanup.labels()})

    # --- Beginning and end

    def start(self) -> None:
        """Boot all nodes at once, as a StatefulSet with parallel pods does, and declare the topology."""
        secrets.write_secrets(self.state)
        self._network.create()
        for host in self.cluster.hosts:
            self.create(host)
        self.start_all(*self.cluster.hosts)
        self._topology()

    def close(self) -> None:
        """Remove all of it."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(Machine.remove, self.machines.values()))
        cleanup.remove_network(self._network.name)

    def create(self, host: str, *, authority: Pair | None = None, **options: Any) -> Machine:
        """Prepare one node. With `authority` its certificate is of that one, though it trusts ours."""
        folder = self.state.root / "nodes" / host
        for name in ("secrets", "config", "pod-info", "data"):
            (folder / name).mkdir(parents=True)
        project(folder / "config", config(self.cluster))
        project(folder / "pod-info", {"skip-prestop-checks": ""})
        leaf = certificates.make_leaf(authority or self._authority, (host, "rabbitmq", "localhost", "127.0.0.1"))
        pair = {"tls.crt": leaf.certificate, "tls.key": leaf.key}
        cookie = (self.state.secrets / "rabbitmq-1" / "erlang_cookie").read_bytes()
        project(
            folder / "secrets",
            {**pair, "ca.crt": self.ca_file.read_bytes(), "erlang_cookie": cookie, **self.definitions()},
        )
        data = folder / "data"
        data.chmod(0o2775)
        _give_to_group(data)
        pod, _, domain = host.partition(".")
        service = Service(
            name=pod,
            image=images.compose_variables(self.cluster.version)["MILLRACE_IMAGE_RABBITMQ"],
            command=(),
            environment={**self.cluster.environment, "RABBITMQ_NODENAME": node_name(host)},
            aliases=(host, "rabbitmq"),
            tmpfs=("/tmp",),  # noqa: S108 - in the container
            ports=(),
            mounts={
                str(folder / "config"): CONFIG,
                str(folder / "secrets"): SECRETS,
                str(folder / "pod-info"): "/etc/pod-info",
            },
            options={
                "hostname": pod,
                "domainname": domain,
                "read_only": True,
                "cap_drop": ["ALL"],
                "security_opt": ["no-new-privileges:true"],
                "mem_limit": MEMORY_BYTES,
                "mounts": [Mount("/var/lib/rabbitmq", str(data), type="bind")],
                **options,
            },
        )
        prefix = f"millrace-test-{cleanup.labels()[cleanup.RUN_LABEL]}-{self.cluster.version}"
        ports = {inside: self.port(host, inside) for inside in PORTS}
        machine = self.machines[host] = Machine(service, self._network, prefix, ports=ports)
        return machine

    def start_all(self, *hosts: str) -> None:
        """Start these for the first time and wait until each says that it started."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: self.machines[host].start(), hosts))
            list(pool.map(self.wait, hosts))

    def restart(self, *hosts: str) -> None:
        """Stop and start again, in one step."""
        for host in hosts:
            self.machines[host].stop(timeout=30)
        for host in hosts:
            self.machines[host].start_again()
        for host in hosts:
            self.wait(host)

    def wait(self, host: str) -> None:
        """Wait for the startup probe."""

        def started() -> bool:
            machine = self.machines[host]
            assert machine.running, f"{host} ended:\n{machine.logs(40)}"
            return self.run(host, "millrace-started")[0] == 0

        eventually(started, what=f"{host} started", every=0.5)

    def _topology(self) -> None:
        variables = {**images.compose_variables(self.cluster.version), "MILLRACE_STATE_DIR": str(self.state.root)}
        service = services.read("topology", variables)
        # The image's own file: these nodes have no folder of settings for the application.
        own_file = {contract.QUEUES_FILE_VARIABLE: ""}
        machine = Machine(service, self._network, f"millrace-test-once-{free_port()}", environment=own_file)
        try:
            machine.start()
            assert machine.wait_ended() == 0, machine.logs(40)
        finally:
            machine.remove()

    # --- What is mounted

    def definitions(self, **passwords: str) -> dict[str, str]:
        """The folder of definitions, with other passwords for some roles."""
        known = secrets.passwords(self.state, "rabbitmq") | {
            Role(name): {name: word} for name, word in passwords.items()
        }
        limits = capacity.broker_limits(compose_files.fleet(contract.queues()))
        folder = definitions.FOLDER
        return {
            f"{folder}/{definitions.VHOST_FILE}": definitions.vhost_file(
                contract.queues(), self.cluster.consumer_timeout_seconds
            ),
            f"{folder}/{definitions.USERS_FILE}": definitions.users_file(known, contract.queues(), limits),
        }

    def mount(self, host: str, volume: str, files: Mapping[str, str]) -> None:
        """Change files of a node's volume; the others stay as they are."""
        folder = self.state.root / "nodes" / host / volume
        now = (folder / "..data").resolve()
        kept = {str(path.relative_to(now)): path.read_bytes() for path in now.rglob("*") if path.is_file()}
        project(folder, {**kept, **files})

    @property
    def _authority(self) -> Pair:
        folder = self.state.secrets / "ca"
        return Pair((folder / "ca.crt").read_bytes(), (folder / "ca.key").read_bytes())

    # --- Ways in

    @property
    def ca_file(self) -> Path:
        """The CA of this cluster."""
        return self.state.secrets / "client" / "ca.crt"

    def password(self, role: Role) -> str:
        """A role's password."""
        return secrets.passwords(self.state, "rabbitmq")[role][role]

    def port(self, host: str, inside: int) -> int:
        """Where a node's port is published."""
        return self._ports.setdefault((host, inside), free_port())

    def run(self, host: str, *command: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run a command in a node's container; exit code and output."""
        return run_inside(self.machines[host].docker, command, environment=environment)

    def ctl(self, host: str, *command: str) -> str:
        """Run a command that must not fail."""
        code, output = self.run(host, *command)
        assert code == 0, f"{host}: {command} ended with {code}: {output}"
        return output.strip()

    @contextmanager
    def channel(
        self,
        role: Role | str,
        *,
        host: str | None = None,
        password: str | None = None,
        vhost: str = contract.VHOST,
    ) -> Iterator[Any]:
        """A channel of a role's."""
        connection = amqp.Connection(
            host=f"127.0.0.1:{self.port(host or self.cluster.hosts[0], contract.PORT_AMQPS)}",
            userid=str(role),
            password=self.password(Role(role)) if password is None else password,
            virtual_host=vhost,
            ssl={"ca_certs": str(self.ca_file), "server_hostname": "localhost"},
            connect_timeout=30,
            # An election takes a second, and on a busy machine many.
            read_timeout=60,
            write_timeout=60,
        )
        try:
            connection.connect()
            yield connection.channel()
        finally:
            connection.collect()

    def http(
        self, role: Role | None, *, port: int = contract.PORT_RABBITMQ_MANAGEMENT, host: str | None = None
    ) -> httpx.Client:
        """A client of the management API or of the metrics."""
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port(host or self.cluster.hosts[0], port)}",
            auth=(str(role), self.password(role)) if role else None,
            verify=ssl.create_default_context(cafile=str(self.ca_file)),
            timeout=60,
            trust_env=False,
        )
