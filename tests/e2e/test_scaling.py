"""More work brings more pods, and nothing is lost or run twice by it. They go again during the campaign, under load."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.e2e.harness.campaign import Load
from tests.e2e.harness.kubectl import Kubectl
from tests.e2e.harness.replicas import Replicas
from tests.e2e.harness.target import Target
from tests.integration.harness.waiting import eventually

#: More lists than two bulk workers carry with the processor that they ask for, and single events that pile up soon.
RATE, SINGLES, SECONDS = 900.0, 40.0, 120.0
#: What two gateways do not answer with the processor that they ask for; it costs nobody else anything.
READERS, READS_PER_SECOND = 6, 50.0
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
def burst(kubectl: Kubectl, target: Target, replicas: Replicas, tmp_path_factory: pytest.TempPathFactory) -> Burst:
    """Sent once."""
    eventually(lambda: min(replicas.now().values()) >= MINIMUM, within=180, what="every scaler has its smallest number")
    load = Load(tmp_path_factory.mktemp("burst"), seconds=SECONDS, rate=RATE, singles=SINGLES)
    try:
        eventually(lambda: load.started, within=180, what="the load begins")
        began_at = time.time()
        with _readers(target):
            with _hanging(kubectl):
                time.sleep(HANG_SECONDS)
            eventually(lambda: not load.sends, within=SECONDS + 600, what="the load has ended", every=1)
        _, verdict = load.finish(SECONDS + 600)
    finally:
        load.stop()
    return Burst(began_at, verdict)


@contextlib.contextmanager
def _readers(target: Target) -> Iterator[None]:
    """Read the description of the API, over and over; who is refused by a busy gateway comes again."""
    ended = threading.Event()

    def read() -> None:
        with target.client() as client:
            while not ended.wait(1 / READS_PER_SECOND):
                with contextlib.suppress(httpx.HTTPError):
                    client.get("/openapi.json")

    with ThreadPoolExecutor(READERS) as pool:
        reading = [pool.submit(read) for _ in range(READERS)]
        try:
            yield
        finally:
            ended.set()
    for each in reading:
        each.result()


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
