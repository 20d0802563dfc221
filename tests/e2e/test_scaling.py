"""More work brings more pods, and nothing is lost or run twice by it. They go again during the campaign, under load."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.harness.campaign import Load
from tests.e2e.harness.replicas import Replicas
from tests.integration.harness.waiting import eventually

#: More single events than two workers of the interactive class finish, and lists enough to keep the bulk class busy.
RATE, SINGLES, SECONDS = 500.0, 160.0, 75.0
MINIMUM = 2
_SCALED = ("gateway", "worker-bulk", "worker-interactive")


@dataclass(frozen=True)
class Burst:
    """A load that was too much for the smallest number of pods."""

    began_at: float
    verdict: Mapping[str, Any]


@pytest.fixture(scope="module")
def burst(replicas: Replicas, tmp_path_factory: pytest.TempPathFactory) -> Burst:
    """Sent once."""
    eventually(lambda: min(replicas.now().values()) >= MINIMUM, within=180, what="every scaler has its smallest number")
    load = Load(tmp_path_factory.mktemp("burst"), seconds=SECONDS, rate=RATE, singles=SINGLES)
    try:
        eventually(lambda: load.started, within=180, what="the load begins")
        began_at = time.time()
        _, verdict = load.finish(SECONDS + 600)
    finally:
        load.stop()
    return Burst(began_at, verdict)


@pytest.mark.parametrize("name", _SCALED)
def test_more_pods_come(
    burst: Burst, replicas: Replicas, name: str, record_property: Callable[[str, object], None]
) -> None:
    """HPA by CPU for the gateway and the bulk class, KEDA by the queue for the interactive one."""
    came_at = eventually(
        lambda: replicas.first_at_least(name, MINIMUM + 1), within=120, what=f"{name} has more than {MINIMUM} pods"
    )
    record_property("seconds_to_scale_out", round(came_at - burst.began_at, 1))
    record_property("most", replicas.most(name))


def test_nothing_is_lost_or_run_twice_by_it(burst: Burst) -> None:
    """The ledger of the burst."""
    verdict = burst.verdict
    assert {name: verdict[name] for name in ("lost", "duplicated_effects")} == {"lost": 0, "duplicated_effects": 0}
    assert verdict["accepted"] == verdict["executed"] > 0
