"""Empty a node as its maintenance would: through the eviction API, which asks the disruption budgets."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from chaos.errors import NotHealedError, QuorumLostError
from chaos.fault import Say, hold
from chaos.kubernetes_target import KubernetesTarget
from chaos.waiting import wait_until
from chaos.workloads import pods_on, ready_brokers, unready

#: Of three brokers; with fewer nothing is confirmed.
QUORUM = 2
#: A broker's stop waits for its queues, a worker's for its tasks.
DRAIN_SECONDS = 300.0
HEAL_SECONDS = 300.0


@dataclass
class _Drain:
    """One drain under way; `step` is done until nobody is left."""

    target: KubernetesTarget
    node: str
    evicted: set[str] = field(default_factory=set)
    #: How often a budget said no, by pod.
    refused: Counter[str] = field(default_factory=Counter)
    fewest_brokers: int = 99

    def step(self) -> bool:
        self.fewest_brokers = min(self.fewest_brokers, ready_brokers(self.target))
        left = pods_on(self.target, self.node)
        for pod in left:
            if pod.metadata.deletion_timestamp is None:
                self._evict(pod.metadata)
        return not left

    def left(self) -> str:
        """The pods that are still there, and those that a disruption budget kept, which is the usual reason."""
        names = [pod.metadata.name for pod in pods_on(self.target, self.node)]
        return f"On {self.node} after {DRAIN_SECONDS:.0f} s: {names}; refused by budgets: {dict(self.refused)}"

    def _evict(self, metadata: Any) -> None:
        name = f"{metadata.namespace}/{metadata.name}"
        if evict(self.target, metadata):
            self.evicted.add(name)
        else:
            self.refused[name] += 1


def _cordon(target: KubernetesTarget, node: str, *, on: bool) -> float:
    at = time.time()
    target.cordon(node, on=on)
    return at


def evict(target: KubernetesTarget, metadata: Any, *, dry_run: bool = False) -> bool:
    """Ask for a pod's eviction; False if its disruption budget refuses. A pod that is gone is evicted."""
    name, namespace = metadata.name, metadata.namespace
    body = client.V1Eviction(metadata=client.V1ObjectMeta(name=name, namespace=namespace))
    try:
        target.core.create_namespaced_pod_eviction(name, namespace, body, **({"dry_run": "All"} if dry_run else {}))
    except ApiException as error:
        if error.status == HTTPStatus.TOO_MANY_REQUESTS:
            return False
        if error.status != HTTPStatus.NOT_FOUND:
            raise
    return True


def drain(target: KubernetesTarget, node: str, say: Say) -> None:
    """Cordon, evict Millrace's pods, uncordon, and wait until all is well again.

    Raises:
        NotConfirmedError: somebody stayed.
        QuorumLostError: fewer than two brokers were ready at some moment.
        NotHealedError: not all came back.
    """
    say({"event": "chosen", "kind": "drain", "node": node, "pods": len(pods_on(target, node))})
    running = _Drain(target, node)
    hold(
        lambda: _cordon(target, node, on=True),
        lambda: _cordon(target, node, on=False),
        noticed=running.step,
        unnoticed=running.left,
        notice_seconds=DRAIN_SECONDS,
        seconds=0.0,
        say=say,
    )
    say({"event": "emptied", "evicted": sorted(running.evicted), "refused_by_budget": dict(running.refused)})
    heal(target, say, HEAL_SECONDS, running)
    if running.fewest_brokers < QUORUM:
        message = f"{running.fewest_brokers} ready during the drain of {node}."
        raise QuorumLostError(message)


def heal(target: KubernetesTarget, say: Say, seconds: float, watched: _Drain | None = None) -> None:
    """Wait until every workload has all its pods ready.

    Raises:
        NotHealedError: not in time.
    """

    def well() -> bool:
        if watched is not None:
            watched.fewest_brokers = min(watched.fewest_brokers, ready_brokers(target))
        return not unready(target)

    if not wait_until(well, seconds, every_seconds=1.0):
        message = f"After {seconds:.0f} s: {', '.join(unready(target))}"
        raise NotHealedError(message)
    say(
        {
            "event": "recovered",
            "recovered_at": time.time(),
            **({"fewest_ready_brokers": watched.fewest_brokers} if watched else {}),
        }
    )
