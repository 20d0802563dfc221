"""More work brings more pods, and nothing is lost or run twice by it. They go again during the campaign, under load."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.harness.campaign import Load
from tests.e2e.harness.kubectl import Kubectl
from tests.e2e.harness.replicas import Replicas
from tests.integration.harness.waiting import eventually

#: More lists than two bulk workers carry with the processor that they ask for, and single events that pile up soon.
RATE, SINGLES, SECONDS = 1000.0, 90.0, 120.0
#: Interactive workers hang for so long: longer than the broker's heartbeats, so that it takes their messages back.
HANG_SECONDS = 25.0
MINIMUM = 2
_SCALED = ("gateway", "worker-bulk", "worker-interactive")


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
        with _hanging(kubectl):
            time.sleep(HANG_SECONDS)
        _, verdict = load.finish(SECONDS + 600)
    finally:
        load.stop()
    return Burst(began_at, verdict)


@contextlib.contextmanager
def _hanging(kubectl: Kubectl) -> Iterator[None]:
    """Stop every interactive worker where it stands: the queue grows, which is what KEDA looks at."""
    pods = kubectl.get("pods", "millrace", "app.kubernetes.io/name=worker-interactive")
    names = [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"]
    assert names

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
def test_more_pods_come(
    burst: Burst, replicas: Replicas, name: str, record_property: Callable[[str, object], None]
) -> None:
    """HPA by CPU for the gateway and the bulk class, KEDA by the queue for the interactive one."""
    came_at = eventually(
        lambda: replicas.first_at_least(name, MINIMUM + 1), within=60, what=f"{name} has more than {MINIMUM} pods"
    )
    record_property("seconds_to_scale_out", round(came_at - burst.began_at, 1))
    record_property("most", replicas.most(name))


def test_nothing_is_lost_or_run_twice_by_it(burst: Burst) -> None:
    """The ledger of the burst."""
    verdict = burst.verdict
    assert {name: verdict[name] for name in ("lost", "duplicated_effects")} == {"lost": 0, "duplicated_effects": 0}
    assert verdict["accepted"] == verdict["executed"] > 0
