"""More work brings more pods, less lets them go while tasks run; nothing is lost or run twice by it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.harness.kubernetes.campaign import Campaign, Load
from tests.harness.kubernetes.kubectl import Kubectl
from tests.harness.kubernetes.replicas import Replicas
from tests.harness.waiting import eventually

#: Events a second at the most; single ones fill the queue that KEDA looks at while its workers hang.
RATE, SINGLES = 500.0, 40.0
#: How long scalers may take to bring pods: two metrics, a look at them, a start on busy processors.
OUT_SECONDS = 300.0
#: To let them go they look back 300 s, and then let one go a minute.
IN_SECONDS = 540.0
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
#: Interactive workers hang for so long at least: longer than the broker's heartbeats, so that it takes their messages
#: back. They hang on until KEDA has asked for more pods. It looks every 15 s at a number that is up to 5 s old. Where
#: the cluster sustains 560 events/s, 18 single ones a second need 12 s to become too many for two pods.
HANG_SECONDS, ASK_SECONDS = 25.0, 240.0
MINIMUM = 2
_BY_CPU = ("gateway", "worker-bulk")
INTERACTIVE = "worker-interactive"
_SCALED = (*_BY_CPU, INTERACTIVE)


@dataclass(frozen=True)
class Burst:
    """A load that was too much for the smallest number of pods, and then was not."""

    most: Mapping[str, int]
    #: Interactive workers at the end of the load.
    left: int
    campaign: Campaign


@pytest.fixture(scope="module")
def burst(
    kubectl: Kubectl, replicas: Replicas, tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]
) -> Burst:
    """Sent once; it ends when interactive workers have gone."""

    def calm() -> bool:
        now = replicas.now()
        assert min(now.values()) >= MINIMUM, now
        return True

    eventually(calm, what="every scaler has its smallest number", tolerate=(AssertionError,))
    load = Load(tmp_path_factory.mktemp("burst"), rate=RATE, singles=SINGLES)
    try:
        load.wait_for_start()
        for name in _BY_CPU:
            _compute(kubectl, name)
        with _hanging(kubectl):
            until = time.monotonic() + HANG_SECONDS
            eventually(
                lambda: time.monotonic() > until and _asked_for(kubectl, INTERACTIVE) > MINIMUM,
                within=ASK_SECONDS,
                every=1.0,
                tolerate=(AssertionError,),
                what=f"KEDA asks for more pods of {INTERACTIVE}",
            )
        # Who did not come or go is named by the tests.
        with contextlib.suppress(AssertionError):
            eventually(
                lambda: min(replicas.most(name) for name in _SCALED) > MINIMUM, within=OUT_SECONDS, what="pods come"
            )
            eventually(lambda: _interactive(replicas) < replicas.most(INTERACTIVE), within=IN_SECONDS, what="one goes")
        left = _interactive(replicas)
        campaign = load.finish()
    finally:
        load.stop()
    for line in campaign.summary():
        say(line)
    return Burst({name: replicas.most(name) for name in _SCALED}, left, campaign)


def _interactive(replicas: Replicas) -> int:
    return replicas.samples[-1].replicas[INTERACTIVE]


def _asked_for(kubectl: Kubectl, name: str) -> int:
    """Pods that the scaler wants, whether they run yet or not."""
    return int(kubectl.one("hpa", "millrace", name)["status"].get("desiredReplicas", 0))


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
    names = _running(kubectl, INTERACTIVE)

    def signal(name: str) -> None:
        for pod in names:
            # -1: every process but the container's first and the one that sends it.
            kubectl.execute("millrace", pod, INTERACTIVE, "bash", "-c", f"kill -{name} -1")

    signal("STOP")
    try:
        yield
    finally:
        signal("CONT")


@pytest.mark.parametrize("name", _SCALED)
def test_more_pods_come(burst: Burst, name: str, say: Callable[[str], None]) -> None:
    """HPA by CPU for the gateway and the bulk class, KEDA by the queue for the interactive one."""
    say(f"{name}: {burst.most[name]} pods at the most")
    assert burst.most[name] > MINIMUM


def test_workers_go_while_tasks_run(burst: Burst) -> None:
    """KEDA takes away what the load does not need any more."""
    assert MINIMUM <= burst.left < burst.most[INTERACTIVE]


def test_nothing_is_lost_or_run_twice_by_it(burst: Burst) -> None:
    """The ledger of the burst."""
    burst.campaign.assert_exact()
