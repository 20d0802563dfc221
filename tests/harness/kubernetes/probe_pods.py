"""Pods of the tests' own, that listen everywhere and do nothing, in the place of pods that do not run now."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace
from typing import Any, Self

from infra import naming
from tests.harness.kubernetes.ends import LABEL_PROBE, End, Wanted
from tests.harness.kubernetes.kubectl import Kubectl
from tests.harness.waiting import eventually

CONTAINER = "probe"
#: If a run is killed, its probes end by themselves.
DEADLINE_SECONDS = 1800
LABEL_RUN = "millrace.dev/e2e-run"
#: A port that is denied proves something only where somebody would answer.
_LISTEN = """
import signal, socket, sys
servers = [socket.create_server(("", int(port)), backlog=1000) for port in sys.argv[1:]]
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
print("listening", flush=True)
signal.pause()
"""
_FIRST_UNPRIVILEGED = 1024


class ProbePods:
    """They are there between enter and exit, and nowhere else."""

    def __init__(self, kubectl: Kubectl, wanted: tuple[Wanted, ...]) -> None:
        """Nothing is made yet."""
        self._kubectl = kubectl
        self._run = uuid.uuid4().hex[:8]
        self._wanted = {self._name(number, one): one for number, one in enumerate(wanted)}
        self._namespaces = {one.namespace for one in wanted}

    def __enter__(self) -> Self:
        """Make all, at once."""
        template = self._kubectl.one("deployment", naming.NAMESPACE_APP, naming.GATEWAY)["spec"]["template"]["spec"]
        owners = {namespace: self._keeper(namespace) for namespace in self._namespaces}
        bodies = [self._body(name, one, template, owners[one.namespace]) for name, one in self._wanted.items()]
        try:
            listed = {"apiVersion": "v1", "kind": "List", "items": bodies}
            self._kubectl.run("create", "--filename", "-", input=json.dumps(listed))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove those of this run."""
        for namespace in self._namespaces:
            where = ("--namespace", namespace, "--selector", f"{LABEL_RUN}={self._run}")
            self._kubectl.run("delete", "pods", *where, "--wait=false", "--ignore-not-found")

    def ends(self) -> tuple[End, ...]:
        """As soon as all of them listen."""
        return tuple(
            eventually(
                lambda name=name, one=one: self._end(name, one),  # type: ignore[misc]
                every=1,
                what=f"{name} listens",
                tolerate=(LookupError,),
            )
            for name, one in self._wanted.items()
        )

    def _end(self, name: str, one: Wanted) -> End:
        pod = self._kubectl.one("pod", one.namespace, name)
        statuses = pod["status"].get("containerStatuses", [])
        if not any("running" in status["state"] for status in statuses):
            raise LookupError(f"{pod['status']['phase']}: {statuses}")
        end = End(one.name, pod["status"]["podIP"], one.ports, one.namespace, name, CONTAINER)
        said = self._kubectl.run("logs", "--namespace", one.namespace, name)
        if "listening" not in said:
            raise LookupError(f"it runs and says: {said}")
        return replace(end, listening=frozenset(_listenable(one)))

    def _name(self, number: int, one: Wanted) -> str:
        return f"e2e-{self._run}-{number}-{re.sub('[^a-z0-9]+', '-', one.name.lower())}"[:60].strip("-")

    def _keeper(self, namespace: str) -> dict[str, Any]:
        """An owner that does nothing: a controller whose selector fits must not adopt the pod."""
        found = self._kubectl.one("configmap", namespace, "kube-root-ca.crt")["metadata"]
        return {
            "apiVersion": "v1", "kind": "ConfigMap", "name": found["name"], "uid": found["uid"], "controller": True,
        }  # fmt: skip

    def _body(self, name: str, one: Wanted, template: dict[str, Any], owner: dict[str, Any]) -> dict[str, Any]:
        first = template["containers"][0]
        container = {
            "name": CONTAINER,
            "image": first["image"],
            "imagePullPolicy": first["imagePullPolicy"],
            "command": ["python", "-c", _LISTEN, *map(str, _listenable(one))],
            "resources": {"requests": {"cpu": "5m", "memory": "48Mi"}, "limits": {"cpu": "1", "memory": "96Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": one.namespace,
                "labels": {**one.labels, LABEL_PROBE: "probe", LABEL_RUN: self._run},
                "ownerReferences": [owner],
            },
            "spec": {
                "containers": [container],
                "securityContext": {**template["securityContext"], "seccompProfile": {"type": "RuntimeDefault"}},
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 2,
                "activeDeadlineSeconds": DEADLINE_SECONDS,
                # Never ready: a Service whose selector fits must not send it the world's requests.
                "readinessGates": [{"conditionType": "millrace.dev/never"}],
            },
        }


def _listenable(one: Wanted) -> tuple[int, ...]:
    return tuple(port for port in one.ports if port >= _FIRST_UNPRIVILEGED)
