"""Every pod opens the ports that the contract names and no others, and each of them speaks TLS and nothing else."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from infra import naming
from infra.settings.stack import Stack
from tests.harness.kubernetes.doors import WITHOUT_TLS, forwarded, ports_of, refuses, speaks_tls, words_for
from tests.harness.kubernetes.ends import lasting
from tests.harness.kubernetes.kubectl import Kubectl
from tests.harness.kubernetes.listeners import listening
from tests.harness.tls import plain_answer
from tests.harness.waiting import eventually

#: Tunnels that are made at once; each is a kubectl.
AT_ONCE = 4


@pytest.fixture(scope="session")
def ca_file(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority that signs everything inside."""
    secret = kubectl.one("secret", naming.NAMESPACE_DATA, naming.tls_secret(naming.AUTHORITY))
    path = tmp_path_factory.mktemp("authority") / "ca.crt"
    path.write_bytes(base64.b64decode(secret["data"]["ca.crt"]))
    return path


def _pods(kubectl: Kubectl, component: str) -> list[dict[str, Any]]:
    selector = ",".join(f"{key}={value}" for key, value in naming.selector(component).items())
    pods = [pod for pod in kubectl.get("pods", naming.namespace_of(component), selector) if lasting(pod)]
    assert pods, f"no pod of {component} is ready"
    return pods


def test_every_kind_of_pod_that_stays_is_known(kubectl: Kubectl, stack: Stack) -> None:
    """A pod that nobody put on the list below would not be looked at."""
    found = {
        pod["metadata"]["labels"].get(naming.LABEL_NAME, pod["metadata"]["name"])
        for namespace in naming.NAMESPACES
        for pod in kubectl.get("pods", namespace)
        if lasting(pod)
    }
    assert found == set(ports_of(stack))


def test_pods_open_no_ports_but_their_own(kubectl: Kubectl, stack: Stack, component: str) -> None:
    """What the kernel of each pod says."""
    for pod in _pods(kubectl, component):
        metadata, containers = pod["metadata"], pod["spec"]["containers"]
        assert len(containers) == 1, f"{metadata['name']} has more containers than one"
        found = listening(kubectl, metadata["namespace"], metadata["name"], containers[0]["name"])
        assert found == ports_of(stack)[component], f"{metadata['name']} listens on {sorted(found)}"


def test_ports_speak_tls_only(kubectl: Kubectl, stack: Stack, ca_file: Path, component: str) -> None:
    """With TLS each answers with a certificate of our authority; in plain text none does."""
    doors = [(pod, port) for pod in _pods(kubectl, component) for port in ports_of(stack)[component] - WITHOUT_TLS]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        faults = [fault for fault in pool.map(lambda door: _fault(kubectl, ca_file, *door), doors) if fault]
    assert not faults, "\n".join(faults)


def _fault(kubectl: Kubectl, ca_file: Path, pod: dict[str, Any], port: int) -> str | None:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    host = naming.service_host(pod["metadata"]["labels"][naming.LABEL_NAME])

    def with_tls() -> bool:
        with forwarded(kubectl, namespace, name, port) as local:
            return speaks_tls(port, local, ca_file, host)

    try:
        eventually(with_tls, every=1, tolerate=(OSError,), what="a handshake")
    except AssertionError as error:
        return f"{name} port {port}: {error}"
    with forwarded(kubectl, namespace, name, port) as local:
        answer = plain_answer(local, words_for(port))
    return None if refuses(answer) else f"{name} port {port} answers plain text: {answer!r}"


@pytest.fixture
def chatty() -> Iterator[int]:
    """A server without TLS that answers everybody."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for _ in range(2):
                talk, _ = server.accept()
                with talk:
                    talk.recv(1000)
                    talk.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join(timeout=10)


def test_a_server_without_tls_is_noticed(chatty: int, ca_file: Path) -> None:
    """The functions above see one: no handshake, and an answer that is no refusal."""
    with pytest.raises(ssl.SSLError):
        speaks_tls(chatty, chatty, ca_file, "localhost")
    assert not refuses(plain_answer(chatty, words_for(chatty)))
