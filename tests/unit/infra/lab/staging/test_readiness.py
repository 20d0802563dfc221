"""What is ready, what is waited for and what has failed, by statuses as API servers give them."""

from __future__ import annotations

from typing import Any

import pytest

from infra.lab.staging.readiness import WATCHED, State, readiness


def _object(
    kind: str, status: dict[str, Any], spec: dict[str, Any] | None = None, generation: int = 2
) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "x", "generation": generation}, "spec": spec or {}, "status": status}


def _condition(name: str, status: str, **more: Any) -> dict[str, Any]:
    return {"type": name, "status": status, **more}


ROLLED_OUT = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}
THREE = {"replicas": 3}
LATE = _condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="timed out")
PARTITION = {"replicas": 3, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}
ON_DELETE = {"replicas": 3, "updateStrategy": {"type": "OnDelete"}}


@pytest.mark.parametrize(
    ("live", "state", "why"),
    [
        (None, State.WAITING, "is not there"),
        (_object("ConfigMap", {}), State.READY, ""),
        (_object("ScaledObject", {"conditions": [_condition("Ready", "False")]}), State.READY, ""),
        (_object("Deployment", {}, THREE), State.WAITING, "has not seen"),
        (_object("Deployment", ROLLED_OUT | {"observedGeneration": 1}, THREE), State.WAITING, "has not seen"),
        (_object("Deployment", ROLLED_OUT, THREE), State.READY, ""),
        (_object("Deployment", ROLLED_OUT | {"updatedReplicas": 1}, THREE), State.WAITING, "1 of 3 pods are new"),
        (_object("Deployment", ROLLED_OUT | {"replicas": 4}, THREE), State.WAITING, "1 old pods are left"),
        (
            _object("Deployment", ROLLED_OUT | {"availableReplicas": 2}, THREE),
            State.WAITING,
            "2 of 3 pods are available",
        ),
        (_object("Deployment", ROLLED_OUT | {"conditions": [LATE]}, THREE), State.FAILED, "timed out"),
        (_object("Deployment", {"observedGeneration": 2}, {"replicas": 0}), State.READY, ""),
        (_object("StatefulSet", {}, THREE), State.WAITING, "has not seen"),
        (_object("StatefulSet", ROLLED_OUT, THREE), State.READY, ""),
        (_object("StatefulSet", ROLLED_OUT | {"readyReplicas": 2}, THREE), State.WAITING, "2 of 3 pods are ready"),
        (_object("StatefulSet", ROLLED_OUT | {"updatedReplicas": 2}, THREE), State.WAITING, "2 of 3 pods are new"),
        (_object("StatefulSet", ROLLED_OUT | {"updatedReplicas": 2}, PARTITION), State.READY, ""),
        (_object("StatefulSet", ROLLED_OUT | {"updatedReplicas": 0}, ON_DELETE), State.READY, ""),
        (_object("Job", {}, generation=1), State.WAITING, "0 pods run, 0 failed"),
        (_object("Job", {"active": 1, "failed": 2}, generation=1), State.WAITING, "1 pods run, 2 failed"),
        (_object("Job", {"conditions": [_condition("Complete", "True")]}, generation=1), State.READY, ""),
        (
            _object("Job", {"conditions": [_condition("Failed", "True", reason="BackoffLimitExceeded")]}, generation=1),
            State.FAILED,
            "BackoffLimitExceeded",
        ),
        (_object("Certificate", {}), State.WAITING, "no condition Ready"),
        (_object("Certificate", {"conditions": [_condition("Ready", "True", observedGeneration=2)]}), State.READY, ""),
        (
            _object("Certificate", {"conditions": [_condition("Ready", "True", observedGeneration=1)]}),
            State.WAITING,
            "has not seen",
        ),
        (
            _object("Certificate", {"conditions": [_condition("Ready", "False", reason="Issuing", message="wait")]}),
            State.WAITING,
            "Issuing: wait",
        ),
        (
            _object("Issuer", {"conditions": [_condition("Ready", "True", observedGeneration=2)]}),
            State.READY,
            "",
        ),
        (_object("Cluster", {"conditions": [_condition("Ready", "True")]}), State.READY, ""),
        (_object("Cluster", {"conditions": [_condition("Ready", "Unknown", reason="Init")]}), State.WAITING, "Init"),
    ],
)
def test_readiness(live: dict[str, Any] | None, state: State, why: str) -> None:
    """State and reason."""
    found = readiness(live)
    assert found.state is state
    assert why in found.why


def test_what_becomes_something_is_waited_for() -> None:
    """Volume claims are not among them: theirs may be bound only when a pod comes."""
    assert {"Deployment", "StatefulSet", "Job", "Certificate", "Issuer", "Cluster"} == WATCHED
