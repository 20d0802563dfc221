"""More work brings more pods, and nothing is lost or run twice by it. They go again during the campaign, under load."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.harness.waiting import eventually
from tests.proofs.e2e.harness.campaign import Load
from tests.proofs.e2e.harness.kubectl import Kubectl
from tests.proofs.e2e.harness.replicas import Replicas

RATE, SINGLES, SECONDS = 500.0, 40.0, 120.0
#: What each pod of a workload that scales by CPU computes for nothing, as a share of one processor, and for how long:
#: two metrics, and the scaler's look at them. By load two cores do not get there: 900 events/s left them below 70 %.
BUSY_SHARE, BUSY_SECONDS = 0.4, 90
_BUSY = """
import sys, time
share, end = float(sys.argv[1]), time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    pause = time.monotonic() + share / 10
    while time.monotonic() < pause:
        pass
    time.sleep((1 - share) / 10)
"""
#: Interactive workers hang for so long: longer than the broker's heartbeats, so that it takes their messages back.
HANG_SECONDS = 25.0
MINIMUM = 2
_BY_CPU = ("gateway", "worker-bulk")
_SCALED = (*_BY_CPU, "worker-interactive")


@dataclass(frozen=True)
class Burst:
    """A load that was too much for the smallest number of pods."""

    began_at: float
    verdict: Mapping[str, Any]


@pytest.fixture(scope="module")
def burst(kubectl: Kubectl, replicas: Replicas, tmp_path_factory: pytest.TempPathFactory) -> Burst:
    """Sent once."""
    eventually(lambda: min(replicas.now().values()) >= MINIMUM, within=180, what="every scaler has its smallest number")
    load = Load(tmp_path_factory.mktemp("burst"), seconds=SECONDS, rate=RATE, singles=SINGLES)
    try:
        eventually(lambda: load.started, within=180, what="the load begins")
        began_at = time.time()
        for name in _BY_CPU:
            _compute(kubectl, name)
        with _hanging(kubectl):
            time.sleep(HANG_SECONDS)
        _, verdict = load.finish(SECONDS + 600)
    finally:
        load.stop()
    return Burst(began_at, verdict)


def _compute(kubectl: Kubectl, name: str) -> None:
    """Keep every pod of a workload busy for a while; that ends by itself.

    A second's sleep: what has not begun when the shell ends, may end with it.
    """
    for pod in _running(kubectl, name):
        command = f"python -c '{_BUSY}' {BUSY_SHARE} {BUSY_SECONDS} > /dev/null 2>&1 < /dev/null & sleep 1"
        kubectl.execute("millrace", pod, name, "bash", "-c", command)


def _running(kubectl: Kubectl, name: str) -> list[str]:
    pods = kubectl.get("pods", "millrace", f"app.kubernetes.io/name={name}")
    names = [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"]
    assert names, f"no pod of {name} runs"
    return names


@contextlib.contextmanager
def _hanging(kubectl: Kubectl) -> Iterator[None]:
    """Stop every interactive worker where it stands: the queue grows, which is what KEDA looks at."""
    names = _running(kubectl, "worker-interactive")

    def signal(name: str) -> None:
        for pod in names:
            # -1: every process but the container's first and the one that sends it.
            kubectl.execute("millrace", pod, "worker-interactive", "bash", "-c", f"kill -{name} -1")

    signal("STOP")
    try:
        yield
    finally:
        signal("CONT")


@pytest.mark.parametrize("name", _SCALED)
def test_more_pods_come(burst: Burst, replicas: Replicas, name: str, say: Callable[[str], None]) -> None:
    """HPA by CPU for the gateway and the bulk class, KEDA by the queue for the interactive one."""
    came_at = eventually(
        lambda: replicas.first_at_least(name, MINIMUM + 1), within=60, what=f"{name} has more than {MINIMUM} pods"
    )
    say(f"{name}: a third pod after {came_at - burst.began_at:.0f} s of load, {replicas.most(name)} at the most")


def test_nothing_is_lost_or_run_twice_by_it(burst: Burst) -> None:
    """The ledger of the burst."""
    verdict = burst.verdict
    assert {name: verdict[name] for name in ("lost", "duplicated_effects")} == {"lost": 0, "duplicated_effects": 0}
    assert verdict["accepted"] == verdict["executed"] > 0
