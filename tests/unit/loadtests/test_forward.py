"""A forwarded port outlives the process that forwards it, and ends with us."""

from __future__ import annotations

import socket
import stat
import sys
from pathlib import Path

import pytest

from loadtests.errors import NotReadyError, TargetMissingError
from loadtests.forward import Forward, Kubectl
from loadtests.kubernetes_target import read_settings
from tests.harness.waiting import eventually

#: Takes one connection, says that its pod is gone, and lives on, as kubectl does.
FAKE = """#!{python} -IS
import signal, socket, sys
port = int(sys.argv[-1].partition(":")[0])
server = socket.create_server(("127.0.0.1", port))
while True:
    connection, _ = server.accept()
    if connection.recv(4) == b"lose":
        print("error: lost connection to pod", file=sys.stderr, flush=True)
        server.close()
        signal.pause()
    connection.sendall(b"here")
    connection.close()
"""


@pytest.fixture
def kubectl(tmp_path: Path) -> Kubectl:
    """A program that behaves like it."""
    program = tmp_path / "kubectl"
    program.write_text(FAKE.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return Kubectl(program=str(program), kubeconfig="/k", context=None)


def _answers(port: int) -> None:
    def answer() -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"ask ")
            return connection.recv(4) == b"here"

    eventually(answer, what=f"an answer on port {port}", every=0.02, tolerate=(OSError,))


def test_it_comes_back_on_the_same_port_when_its_pod_was_lost(
    kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubectl says so, and forwards to nowhere for ever."""
    monkeypatch.setattr("loadtests.forward._AGAIN_SECONDS", 0.01)
    forward = Forward(kubectl, "millrace-data", "pod/rabbitmq-0", 15671)
    try:
        forward.wait()
        _answers(forward.port)
        with socket.create_connection(("127.0.0.1", forward.port), timeout=2) as connection:
            connection.sendall(b"lose")
        _answers(forward.port)
        forward.renew()
        _answers(forward.port)
    finally:
        forward.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", forward.port), timeout=1)


def test_what_kubectl_says_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person must not search for it."""
    monkeypatch.setattr("loadtests.forward._OPEN_SECONDS", 0.0)
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\necho 'error: pods \"rabbitmq-0\" not found' >&2\n")
    program.chmod(0o755)
    forward = Forward(Kubectl(program=str(program), kubeconfig=None, context="theirs"), "a", "pod/rabbitmq-0", 1)
    try:
        eventually(lambda: "error" in forward._said, what="a word of kubectl", every=0.02)
        with pytest.raises(NotReadyError, match="not found"):
            forward.wait()
    finally:
        forward.close()


def test_without_a_target_the_way_out_is_named(tmp_path: Path) -> None:
    """Nobody guesses where a cluster is."""
    with pytest.raises(TargetMissingError, match="make staging"):
        read_settings(tmp_path)
    assert not list(tmp_path.iterdir())
