"""An API server with everything but nodes: admission, RBAC, quotas and controllers are real, and no pod ever runs.

It needs no root, no containers and no network beside the loopback interface.
"""

from __future__ import annotations

import fcntl
import random
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubernetes import client

from infra.lab.devcluster import identity, masters, pki, processes
from infra.lab.devcluster.connect import connected, works
from infra.lab.devcluster.supervisor import Supervisor
from infra.lab.devcluster.waiting import until
from infra.lab.toolchain import go_tool

PREFIX = "mr-control-plane-"
#: Below the range from which the system takes ports for outgoing connections.
PORTS = range(20_000, 30_000)


@dataclass(frozen=True)
class ControlPlane:
    """One that runs."""

    #: The administrator's, mode 0600, in a folder that only its owner can enter.
    kubeconfig: Path
    url: str
    supervisor: Supervisor

    def client(self) -> AbstractContextManager[client.ApiClient]:
        """A client of the administrator."""
        return connected(self.kubeconfig)


@contextmanager
def control_plane(*, seconds: float = 120) -> Iterator[ControlPlane]:
    """Start one on a free port of the loopback interface, and remove it with every file afterwards.

    It ends with the thread that starts it, however that ends; files that a killed one left, the next one removes.

    Raises:
        DevclusterError: it is not ready in this time.
        ToolError: its programs cannot be built.
    """
    sweep()
    # Locked before it has the name by which a sweep finds it.
    new = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    with (new / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = new.rename(new.with_name(new.name[1:]))
        supervisor = Supervisor(root)
        try:
            yield _started(supervisor, masters.Master(root, "127.0.0.1", free_port()), seconds)
        finally:
            supervisor.stop()
            shutil.rmtree(root)


def _started(supervisor: Supervisor, master: masters.Master, seconds: float) -> ControlPlane:
    admin = identity.admin()
    pki.write(master, (admin, identity.component(masters.CONTROLLER_MANAGER)))
    programs = (
        masters.etcd(master, go_tool),
        masters.api_server(master, go_tool, serves_nodes=False),
        masters.controller_manager(master, go_tool),
    )
    supervisor.start_child(programs)
    plane = ControlPlane(master.root / admin.file, master.url, supervisor)
    until(
        "the API server is ready, and the controller manager has made the first service account",
        lambda: works(plane.kubeconfig),
        seconds,
        explain=lambda: "\n".join(supervisor.tail(program.name) for program in programs),
    )
    return plane


def sweep() -> None:
    """Remove what a control plane left whose owner is gone: the lock is held as long as the owner lives."""
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            with (root / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                processes.end(root)
                shutil.rmtree(root)
        except (BlockingIOError, FileNotFoundError, PermissionError):
            # Alive, just gone, or another user's.
            continue


def free_port() -> int:
    """A port of the loopback interface on which nobody listens."""
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("every port from 20000 to 29999 is taken")
