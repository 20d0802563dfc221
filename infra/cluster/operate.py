"""Runs one command of the application in the cluster, as the operator: a Job made of the suspended CronJob."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from typing import Any

from infra import naming
from infra.cluster.cluster import Cluster
from infra.cluster.errors import ClusterError, NothingChangedError
from infra.cluster.objects import Ref
from infra.waiting import poll

TEMPLATE = Ref("batch/v1", "CronJob", naming.NAMESPACE_APP, naming.OPERATOR)
LABEL_JOB = "batch.kubernetes.io/job-name"
POLL_SECONDS = 0.5
START_SECONDS = 120
#: From the end of its log to its exit code.
END_SECONDS = 60


def operate(cluster: Cluster, words: Sequence[str]) -> int:
    """Run it, show what it says, remove it; its exit code.

    Raises:
        NothingChangedError: the stack is not deployed.
        ClusterError: its pod does not start.
    """
    template = cluster.read(TEMPLATE)
    if template is None:
        raise NothingChangedError(f"{TEMPLATE} is not there: deploy the stack first")
    body = job(template, words, uuid.uuid4().hex[:8])
    made = cluster.create(body, naming.MANAGER)
    try:
        return _follow(cluster, body["metadata"]["name"])
    finally:
        cluster.delete(Ref.of(body), made["metadata"]["uid"])


def job(template: dict[str, Any], words: Sequence[str], suffix: str) -> dict[str, Any]:
    """The Job: once, with these arguments. It is the CronJob's child, so that no deployment prunes it."""
    inner = template["spec"]["jobTemplate"]
    spec = inner["spec"]["template"]["spec"]
    first, *others = spec["containers"]
    pod = inner["spec"]["template"] | {"spec": spec | {"containers": [first | {"args": list(words)}, *others]}}
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": template["metadata"]["name"],
        "uid": template["metadata"]["uid"],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{naming.OPERATOR}-{suffix}",
            "namespace": template["metadata"]["namespace"],
            "labels": inner.get("metadata", {}).get("labels", {}),
            "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [owner],
        },
        # A command may not be one that can be run twice.
        "spec": inner["spec"] | {"backoffLimit": 0, "template": pod},
    }


def _follow(cluster: Cluster, name: str) -> int:
    def began() -> tuple[str, str] | None:
        for pod in cluster.listed("v1", "Pod", naming.NAMESPACE_APP, {LABEL_JOB: name}):
            for status in pod.get("status", {}).get("containerStatuses") or ():
                if status["state"].keys() & {"running", "terminated"}:
                    return pod["metadata"]["name"], status["name"]
        return None

    found = poll(began, until=bool, seconds=START_SECONDS, every_seconds=POLL_SECONDS)
    if found is None:
        raise ClusterError(f"the pod of Job {name} has not started after {START_SECONDS} s")
    return _said(cluster, *found)


def _said(cluster: Cluster, pod: str, container: str) -> int:
    for chunk in cluster.follow(naming.NAMESPACE_APP, pod, container):
        sys.stdout.write(chunk)
        sys.stdout.flush()

    def exit_code() -> int | None:
        live = cluster.read(Ref("v1", "Pod", naming.NAMESPACE_APP, pod))
        if live is None:
            raise ClusterError(f"pod {pod} was removed before it ended")
        for status in live.get("status", {}).get("containerStatuses") or ():
            if "terminated" in status["state"]:
                return int(status["state"]["terminated"]["exitCode"])
        return None

    code = poll(exit_code, until=lambda code: code is not None, seconds=END_SECONDS, every_seconds=POLL_SECONDS)
    if code is None:
        raise ClusterError(f"pod {pod} has closed its log and not ended after {END_SECONDS} s more")
    return code
