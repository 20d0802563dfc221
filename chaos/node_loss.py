"""Cut a node off, as a pulled cable or a lost machine does: nobody on it gets a signal, and nobody reaches it."""

from __future__ import annotations

import subprocess
import time
from typing import Any

from chaos.drain import heal
from chaos.errors import NotConfirmedError, NotSupportedError
from chaos.fault import Say, hold
from chaos.kubernetes_target import KubernetesTarget
from chaos.waiting import wait_until
from chaos.workloads import pods_on

#: Kubernetes takes 50 s by default to call a silent node lost.
NOTICE_SECONDS = 120.0
RETURN_SECONDS = 120.0
HEAL_SECONDS = 300.0


def lose_node(target: KubernetesTarget, node: str, seconds: float, say: Say) -> None:
    """Cut the node off until it is known to be lost and at least so long, then connect it again.

    Raises:
        NotSupportedError: nobody said how a node of this cluster is cut off.
        NotConfirmedError: Kubernetes did not notice.
        NotHealedError: not all came back.
    """
    command = target.settings.get("node_link_command")
    if not command:
        message = 'Give the command in target.json: "node_link_command"; NODE and up or down are appended.'
        raise NotSupportedError(message)
    pods = sorted(f"{pod.metadata.namespace}/{pod.metadata.name}" for pod in pods_on(target, node))
    say({"event": "chosen", "kind": "lose-node", "node": node, "pods": pods})
    hold(
        lambda: _link(command, node, "down"),
        lambda: _link(command, node, "up"),
        noticed=lambda: not _ready(target, node),
        unnoticed=lambda: f"{node} counts as ready after {NOTICE_SECONDS:.0f} s without its link.",
        notice_seconds=NOTICE_SECONDS,
        seconds=seconds,
        say=say,
    )
    if not wait_until(lambda: _ready(target, node), RETURN_SECONDS):
        message = (
            f"{node} is not ready {RETURN_SECONDS:.0f} s after it was connected again: {_conditions(target, node)}"
        )
        raise NotConfirmedError(message)
    heal(target, say, HEAL_SECONDS)


def _link(command: list[str], node: str, state: str) -> float:
    at = time.time()
    done = subprocess.run([*command, node, state], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode:
        message = f"{' '.join(command)} {node} {state}: {done.stderr.strip()[-300:]}"
        raise NotConfirmedError(message)
    return at


def _ready(target: KubernetesTarget, node: str) -> bool:
    return _conditions(target, node).get("Ready") == "True"


def _conditions(target: KubernetesTarget, node: str) -> dict[str, str]:
    found: Any = target.core.read_node(node)
    return {state.type: state.status for state in found.status.conditions}
