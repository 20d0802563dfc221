"""What is kept of pods: each container's logs, those of before too, and what could not be read says so."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace as Thing
from typing import Any

from kubernetes import client

from tests.harness import pod_logs


def _status(name: str, restarts: int) -> Any:
    return client.V1ContainerStatus(
        name=name, restart_count=restarts, image="", image_id="", ready=True, started=True, state=None
    )


def _pod(name: str, *statuses: Any) -> client.V1Pod:
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name=name, namespace="millrace", managed_fields=[]),
        status=client.V1PodStatus(phase="Running", container_statuses=list(statuses)),
    )


class Core:
    """An API server with a namespace of two pods, and one that it does not list."""

    api_client = client.ApiClient()

    def list_namespaced_pod(self, namespace: str, **_: Any) -> Any:
        """Relay was started again, worker has no logs."""
        if namespace != "millrace":
            raise TimeoutError("too busy")
        return Thing(items=[_pod("relay-1", _status("relay", 2)), _pod("worker-1", _status("worker", 0))])

    def read_namespaced_pod_log(self, name: str, _: str, *, previous: bool, **__: Any) -> Any:
        """Its lines."""
        if name == "worker-1":
            raise TimeoutError("the node is away")
        return Thing(data=f"{name} {'before' if previous else 'now'} \xfc\n".encode())

    def list_namespaced_event(self, namespace: str, **_: Any) -> Any:
        """One."""
        about = client.V1ObjectReference(kind="Pod", name="relay-1")
        meta = client.V1ObjectMeta(name="e")
        event = client.CoreV1Event(
            involved_object=about, metadata=meta, type="Warning", reason="BackOff", message=namespace
        )
        return Thing(items=[event])


def test_everything_is_in_one_folder(tmp_path: Path) -> None:
    """Nothing that cannot be read hides the rest."""
    core: Any = Core()
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "of an earlier run").touch()

    pod_logs.keep(tmp_path / "logs", core)

    kept = {file.name: file.read_text() for file in (tmp_path / "logs").iterdir()}
    assert set(kept) == {
        "millrace.events",
        "millrace.relay-1.yaml",
        "millrace.relay-1.relay.log",
        "millrace.relay-1.relay.previous.log",
        "millrace.worker-1.yaml",
        "millrace.worker-1.worker.log",
        "millrace-data.events",
        "millrace-data.pods",
    }
    assert kept["millrace.relay-1.relay.log"] == "relay-1 now \xfc\n"
    assert kept["millrace.relay-1.relay.previous.log"] == "relay-1 before \xfc\n"
    assert "phase: Running" in kept["millrace.relay-1.yaml"]
    assert "BackOff Pod/relay-1 x1: millrace\n" in kept["millrace.events"]
    assert kept["millrace.worker-1.worker.log"] == "could not be read: TimeoutError: the node is away\n"
    assert kept["millrace-data.pods"] == "could not be read: TimeoutError: too busy\n"
