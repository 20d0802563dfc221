"""Millrace in a Kubernetes cluster, by its API: its two namespaces, and nothing outside but the nodes of its pods."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream

from app import contract
from chaos.errors import ChaosError, NotConfirmedError, TargetMissingError
from chaos.management import Access, Management
from chaos.partition import Partition
from chaos.waiting import wait_until

APP, DATA = contract.NAMESPACE_APP, contract.NAMESPACE_DATA
_RABBITMQ = "rabbitmq"
_KILL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class KubernetesTarget:
    """A cluster, by its kubeconfig."""

    api: client.ApiClient
    settings: Mapping[str, Any]

    @classmethod
    def connect(cls) -> KubernetesTarget:
        """The cluster that `make staging` deployed to.

        Raises:
            TargetMissingError: it did not yet.
        """
        file = Path(os.environ.get("MILLRACE_STATE_DIR", ".millrace")) / contract.KUBERNETES_TARGET_FILE
        try:
            settings = orjson.loads(file.read_bytes())
        except OSError as error:
            message = f"There is no {file}: `make staging` writes it."
            raise TargetMissingError(message) from error
        api = config.new_client_from_config(config_file=settings.get("kubeconfig"), context=settings.get("context"))
        return cls(api, settings)

    def management(self) -> Management:
        """Through forwarded ports."""
        urls = tuple(os.environ.get(contract.MANAGEMENT_URLS_VARIABLE, "").split())
        if not urls:
            message = (
                f"{contract.MANAGEMENT_URLS_VARIABLE} is empty: forward port 15671 of each RabbitMQ pod (kubectl "
                "port-forward), and give their addresses, https://localhost:<port>, with spaces between."
            )
            raise TargetMissingError(message)
        return Management(
            Access(
                urls=urls,
                ca_file=Path(self.settings["internal_ca_file"]),
                password=Path(self.settings["operator_password_file"]).read_text().strip(),
            )
        )

    def broker(self, host: str) -> KubernetesBroker:
        """The pod rabbitmq-N; the node's long name begins with the pod's."""
        name = host.partition(".")[0]
        pod = self.pod(name)
        if pod is None or pod.status.phase != "Running":
            message = f"Pod {DATA}/{name} does not run."
            raise TargetMissingError(message)
        return KubernetesBroker(self, name, pod.spec.node_name, pod.metadata.uid)

    @property
    def core(self) -> client.CoreV1Api:
        """Pods and nodes."""
        return client.CoreV1Api(self.api)

    def pod(self, name: str, namespace: str = DATA) -> Any:
        """A pod, or None."""
        try:
            return self.core.read_namespaced_pod(name, namespace)
        except ApiException as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def cordon(self, node: str, *, on: bool) -> bool:
        """Take no new pods (or do again); whether that was a change."""
        before = bool(self.core.read_node(node).spec.unschedulable)
        self.core.patch_node(node, {"spec": {"unschedulable": on}})
        return before is not on

    def execute(self, pod: str, container: str, command: list[str], *, namespace: str = DATA) -> str:
        """Run a command in a pod; what it printed, to either output."""
        said: str = stream(
            self.core.connect_get_namespaced_pod_exec,
            pod,
            namespace,
            container=container,
            command=command,
            stdout=True,
            stderr=True,
            _request_timeout=60,
        )
        return said


class KubernetesBroker:
    """A pod of the broker's StatefulSet: its volume or its neighbours let it run on one node only."""

    def __init__(self, target: KubernetesTarget, pod: str, node: str, uid: str) -> None:
        """Remember which pod it was."""
        self._target = target
        self._pod = pod
        self._node = node
        self._uid = uid
        self._cordoned = False
        self._partition: Partition | None = None

    @property
    def name(self) -> str:
        """Namespace and pod."""
        return f"{DATA}/{self._pod}"

    @property
    def running(self) -> bool:
        """Whether its container does."""
        pod = self._target.pod(self._pod)
        states = (pod.status.container_statuses or []) if pod is not None else []
        return any(status.name == _RABBITMQ and status.state.running for status in states)

    @property
    def still_dead(self) -> bool:
        """A pod that waits for its node has no container yet."""
        return not self.running

    @property
    def exit_code(self) -> None:
        """Nobody can tell: the pod is deleted with its container."""
        return

    def run(self, command: list[str]) -> str:
        """In the broker's container.

        Raises:
            ChaosError: the API server or the command failed.
        """
        try:
            return self._target.execute(self._pod, _RABBITMQ, command).strip()
        except ApiException as error:
            message = f"{shlex.join(command[:2])} in {self.name}: {error.reason}"
            raise ChaosError(message) from error

    def kill(self) -> float:
        """SIGKILL to all of it. Its node takes no pods meanwhile: that keeps it dead.

        Raises:
            NotConfirmedError: it still runs.
        """
        self._cordoned = self._target.cordon(self._node, on=True)
        killed_at = time.time()
        self._signal("KILL")
        # Otherwise the kubelet would start the container again, cordon or not.
        self._target.core.delete_namespaced_pod(self._pod, DATA, grace_period_seconds=0)

        def gone() -> bool:
            pod = self._target.pod(self._pod)
            return pod is None or pod.metadata.uid != self._uid

        if not wait_until(lambda: gone() and not self.running, _KILL_SECONDS, every_seconds=0.2):
            pod = self._target.pod(self._pod)
            message = f"{self.name} still runs: {pod and pod.status.phase} on {pod and pod.spec.node_name}."
            raise NotConfirmedError(message)
        return killed_at

    def start(self) -> float:
        """Let its node take it again."""
        if self._cordoned:
            self._target.cordon(self._node, on=False)
            self._cordoned = False
        return time.time()

    def pause(self) -> float:
        """SIGSTOP to all but the container's first process, which only waits for the others."""
        self._signal("STOP")
        return time.time()

    def resume(self) -> float:
        """SIGCONT."""
        self._signal("CONT")
        return time.time()

    def cut_off(self) -> float:
        """By the policy that lets the brokers reach each other."""
        self._partition = Partition(self._target.api, DATA, self._pod)
        self._partition.begin(lambda expression: self.run(["rabbitmqctl", "eval", expression]))
        return time.time()

    def join(self) -> float:
        """The policy as it was."""
        if self._partition is not None:
            self._partition.end()
            self._partition = None
        return time.time()

    def _signal(self, name: str) -> None:
        # -1: every process that may be signalled, except the first and the shell that sends it.
        self.run(["bash", "-c", f"kill -{name} -1"])
