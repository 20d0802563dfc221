"""What Kubernetes does to the image's processes and compose does not: its secrets, its PID 1, its init containers."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
from collections.abc import Iterator

import pytest

from app import contract
from app.contract import Role
from infra.authority import Pair
from infra.local import certificates, files, folders
from infra.local.state import container_uid
from tests.harness.containers import Machine
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually

_MOUNTED = "/run/secrets/projected"
_PROCESSES = {
    "gateway": Role.GATEWAY,
    "relay-1": Role.RELAY,
    "worker-interactive": Role.WORKER,
    "archiver": Role.ARCHIVER,
    "beat": Role.BEAT,
    "flower": Role.FLOWER,
    "retention": Role.OWNER,
}
_ONE_SHOTS = {"migrate": Role.OWNER, "topology": Role.TOPOLOGY, "retention": Role.OWNER}


@pytest.fixture
def stack(single: Stack) -> Iterator[Stack]:
    """A stack; what the tests put into it in place of the usual is taken out."""
    try:
        yield single
    finally:
        single.remove("beat", "flower", "retention")


def _projected(stack: Stack, role: Role) -> dict[str, str]:
    """The role's secrets as in a projected volume: links to links, files of root's that fsGroup may read."""
    folder = stack.state.root / "projected" / role
    shutil.rmtree(folder, ignore_errors=True)
    data = folder / "..2026_11_22"
    data.mkdir(parents=True)
    (folder / "..data").symlink_to(data.name)
    for file in (stack.state.secrets / role).iterdir():
        shutil.copyfile(file, data / file.name)
        (folder / file.name).symlink_to(f"..data/{file.name}")
        (data / file.name).chmod(0o440)
        if os.getuid() == 0:
            os.chown(data / file.name, 0, container_uid())
    assert (folder / "ca.crt").stat().st_mode & 0o777 == 0o440
    for path in (folder.parent, folder, data):
        path.chmod(0o755)
    return {str(folder): _MOUNTED}


def _environment(extra: dict[str, str]) -> dict[str, str]:
    return {**QUICK, "MILLRACE_SECRETS_DIR": _MOUNTED, **extra}


def _replace(stack: Stack, name: str, role: Role, **extra: str) -> Machine:
    return stack.replace(name, environment=_environment(extra), mounts=_projected(stack, role))


def _zombies(machine: Machine) -> list[str]:
    return re.findall(r"^(\d+ \(.*\) Z) ", machine.execute("sh", "-c", "cat /proc/[0-9]*/stat"), re.MULTILINE)


@pytest.mark.parametrize(("name", "role"), _PROCESSES.items())
def test_a_process_runs_as_a_pod_would_run_it(stack: Stack, name: str, role: Role) -> None:
    """It reads a projected volume, its own init reaps what it did not start, and SIGTERM to PID 1 ends it well."""
    machine = _replace(stack, name, role)
    machine.docker.reload()
    assert not machine.docker.attrs["HostConfig"].get("Init"), "Kubernetes has no such thing"
    assert machine.docker.attrs["HostConfig"]["ReadonlyRootfs"]
    if name == "flower":
        _eventually_listens(stack, name, contract.PORT_FLOWER)
    if name == "retention":
        eventually(lambda: "retention_step_done" in machine.logs(), what="retention has run")
    machine.execute("sh", "-c", "(sh -c 'sleep 0.1 & sleep 0.1 &' &); true")
    eventually(lambda: not _zombies(machine), what="orphans are reaped")
    machine.stop(timeout=120)
    assert machine.wait_ended() == 0, machine.logs(20)


@pytest.mark.parametrize(("name", "role"), _ONE_SHOTS.items())
def test_a_one_shot_command_ends_by_itself(stack: Stack, name: str, role: Role) -> None:
    """As a Job or CronJob: exit code 0, from a projected volume, again and again."""
    stack.run(name, name, mounts=_projected(stack, role), environment=_environment({}))


def _eventually_listens(stack: Stack, name: str, port: int) -> None:
    eventually(lambda: _serial(stack, name, port), what=f"{name} listens", tolerate=(OSError,))


# --- Renewed certificates ---------------------------------------------------------------------------------------------


def _serial(stack: Stack, name: str, port: int) -> str:
    """The serial number of the certificate that a server shows now."""
    context = ssl.create_default_context(cafile=str(stack.ca_file))
    prometheus = stack.state.secrets / Role.PROMETHEUS
    context.load_cert_chain(prometheus / "tls.crt", prometheus / "tls.key")
    with socket.create_connection(("127.0.0.1", stack.port(name, port)), timeout=30) as plain:
        plain.settimeout(30)
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            shown = tls.getpeercert()
    assert shown
    return str(shown["serialNumber"])


def _leaf(stack: Stack, role: Role) -> Pair:
    folder = stack.state.secrets / "ca"
    authority = Pair((folder / "ca.crt").read_bytes(), (folder / "ca.key").read_bytes())
    names = next(entry.names for entry in folders.ROLES if entry.name == role)
    return certificates.make_leaf(authority, names)


@pytest.mark.parametrize(
    ("name", "role", "port"),
    [
        ("gateway", Role.GATEWAY, contract.PORT_GATEWAY),
        ("relay-1", Role.RELAY, contract.PORT_METRICS),
        ("worker-interactive", Role.WORKER, contract.PORT_METRICS),
        ("flower", Role.FLOWER, contract.PORT_FLOWER),
    ],
)
def test_a_renewed_certificate_is_served_without_a_restart(stack: Stack, name: str, role: Role, port: int) -> None:
    """New connections see it; a certificate without its key changes nothing."""
    machine = stack.replace(name, environment={**QUICK, "MILLRACE_CERTIFICATE_REFRESH_SECONDS": "1"})
    _eventually_listens(stack, name, port)
    folder = stack.state.secrets / role
    kept = (folder / "tls.crt").read_bytes(), (folder / "tls.key").read_bytes()
    first = _serial(stack, name, port)
    renewed = _leaf(stack, role)
    try:
        files.write(folder / "tls.crt", renewed.certificate)
        if name != "flower":  # which reads both files at each connection, and fails until both are there
            eventually(lambda: "certificate_not_loaded" in machine.logs(), what="the half is refused")
            assert _serial(stack, name, port) == first
        files.write(folder / "tls.key", renewed.key)
        eventually(lambda: _serial(stack, name, port) != first, what="the new one is served", tolerate=(OSError,))
        assert machine.running
    finally:
        files.write(folder / "tls.crt", kept[0])
        files.write(folder / "tls.key", kept[1])
