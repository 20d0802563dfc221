"""Roll a workload as a change of it would: one pod after the other, by its own strategy, its budgets kept."""

from __future__ import annotations

import time
from collections.abc import Sequence

from chaos.drain import QUORUM, heal
from chaos.errors import NotHealedError, QuorumLostError
from chaos.fault import Say
from chaos.kubernetes_target import KubernetesTarget
from chaos.waiting import wait_until
from chaos.workloads import ready_brokers, restart, unready

ROLL_SECONDS = 600.0


def rolling_restart(target: KubernetesTarget, kind: str, names: Sequence[str], say: Say) -> None:
    """Restart these, all at once, and wait until each has only new pods.

    Raises:
        NotHealedError: not in time.
        QuorumLostError: fewer than two brokers were ready at some moment.
    """
    say({"event": "chosen", "kind": "rolling-restart", "workloads": [f"{kind}/{name}" for name in names]})
    say({"event": "injected", "injected_at": time.time()})
    for name in names:
        restart(target, kind, name)
    fewest = ready_brokers(target)

    def rolled() -> bool:
        nonlocal fewest
        fewest = min(fewest, ready_brokers(target))
        return not unready(target)

    if not wait_until(rolled, ROLL_SECONDS, every_seconds=1.0):
        message = f"After {ROLL_SECONDS:.0f} s: {', '.join(unready(target))}"
        raise NotHealedError(message)
    say({"event": "confirmed", "confirmed_at": time.time(), "fewest_ready_brokers": fewest})
    heal(target, say, 60.0)
    if fewest < QUORUM:
        message = f"{fewest} ready during the restart of {', '.join(names)}."
        raise QuorumLostError(message)
