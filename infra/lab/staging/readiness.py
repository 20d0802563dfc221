"""Whether an object has become what it should be, from what the API server says of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How far it is."""

    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True)
class Readiness:
    """How far, and why not further."""

    state: State
    why: str = ""


READY = Readiness(State.READY)


def readiness(live: Mapping[str, Any] | None) -> Readiness:
    """Of an object as it is now; a kind that has nothing to become is ready as soon as it exists."""
    if live is None:
        return _waiting("is not there")
    rule = _RULES.get(live["kind"])
    if rule is None:
        return READY
    if _generation(live) < live["metadata"].get("generation", 0):
        return _waiting("its controller has not seen the change yet")
    return rule(live)


def _deployment(live: Mapping[str, Any]) -> Readiness:
    status, wanted = live.get("status", {}), live["spec"].get("replicas", 1)
    progress = _condition(live, "Progressing")
    if progress.get("reason") == "ProgressDeadlineExceeded":
        return Readiness(State.FAILED, _text(progress))
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted:
        return _waiting(f"{updated} of {wanted} pods are new")
    if status.get("replicas", 0) > updated:
        return _waiting(f"{status['replicas'] - updated} old pods are left")
    return READY if available >= updated else _waiting(f"{available} of {updated} pods are available")


def _stateful_set(live: Mapping[str, Any]) -> Readiness:
    spec, status = live["spec"], live.get("status", {})
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
    strategy = spec.get("updateStrategy", {})
    if strategy.get("type") != "OnDelete":
        kept = strategy.get("rollingUpdate", {}).get("partition", 0)
        updated = status.get("updatedReplicas", 0)
        if updated < wanted - kept:
            return _waiting(f"{updated} of {wanted - kept} pods are new")
    return READY if ready >= wanted else _waiting(f"{ready} of {wanted} pods are ready")


def _job(live: Mapping[str, Any]) -> Readiness:
    for name in ("Failed", "FailureTarget"):
        failed = _condition(live, name)
        if failed.get("status") == "True":
            return Readiness(State.FAILED, _text(failed))
    if _condition(live, "Complete").get("status") == "True":
        return READY
    status = live.get("status", {})
    return _waiting(f"{status.get('active', 0)} pods run, {status.get('failed', 0)} failed")


def _by_condition(live: Mapping[str, Any]) -> Readiness:
    condition = _condition(live, "Ready")
    return READY if condition.get("status") == "True" else _waiting(_text(condition) or "has no condition Ready yet")


def _generation(live: Mapping[str, Any]) -> int:
    """The last one that its controller has seen: said of the whole, or of the condition; a Job's never changes."""
    found = live.get("status", {}).get("observedGeneration", _condition(live, "Ready").get("observedGeneration"))
    if found is not None:
        return int(found)
    return 0 if live["kind"] in _SAY_GENERATION else int(live["metadata"].get("generation", 0))


def _condition(live: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    conditions = live.get("status", {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == name), {})


def _text(condition: Mapping[str, Any]) -> str:
    parts = (condition.get("reason", ""), condition.get("message", ""))
    return ": ".join(part for part in parts if part)


def _waiting(why: str) -> Readiness:
    return Readiness(State.WAITING, why)


_SAY_GENERATION = frozenset({"Deployment", "StatefulSet"})
#: Scalers are not among them: whether they act is a matter of metrics-server and KEDA, no reason to call a deployment
#: failed. `make staging`, after which all must work, asks for them too (infra/lab/staging/ready.py).
_RULES: Mapping[str, Callable[[Mapping[str, Any]], Readiness]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "Job": _job,
    "Certificate": _by_condition,
    "Issuer": _by_condition,
    "Cluster": _by_condition,
}
#: Kinds that become something after they exist.
WATCHED = frozenset(_RULES)
