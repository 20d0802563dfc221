"""A drill's other end: its fault is taken out, and its effect is counted, in the pods that may do so."""

from __future__ import annotations

from app import contract
from infra import naming
from tests.harness.kubernetes.ends import lasting
from tests.harness.kubernetes.kubectl import Kubectl


def mend(kubectl: Kubectl, switch: str) -> None:
    """By the role of a worker: the operator may not write the inbox."""
    worker = naming.worker(contract.EVENT_QUEUE)
    pods = kubectl.get("pods", naming.NAMESPACE_APP, f"{naming.LABEL_NAME}={worker}")
    pod = next(pod["metadata"]["name"] for pod in pods if lasting(pod))
    code, said = kubectl.execute(naming.NAMESPACE_APP, pod, worker, "python", "-m", "app", "drill-mend", switch)
    assert code == 0, said


def stored(kubectl: Kubectl, event_id: str) -> str:
    """How many effects there are, by the database's own superuser in its pod."""
    [pod] = [
        one
        for one in kubectl.get("pods", naming.NAMESPACE_DATA, f"{naming.LABEL_NAME}={naming.POSTGRESQL}")
        if lasting(one)
    ]
    query = f"SELECT count(*) FROM events WHERE event_id = '{event_id}'"
    words = ("psql", "--no-psqlrc", "-At", "-d", contract.POSTGRESQL_DATABASE, "-c", query)
    metadata, container = pod["metadata"], pod["spec"]["containers"][0]["name"]
    code, said = kubectl.execute(metadata["namespace"], metadata["name"], container, *words)
    assert code == 0, said
    return said.strip()
