"""One broker killed, one stopped where it stands, under load: by the same drills that compose has."""

from __future__ import annotations

import pytest

from tests.e2e.harness import campaign as campaigns
from tests.e2e.harness.campaign import Campaign

RATE, SINGLES, SECONDS = 200.0, 10.0, 240.0


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Both, one after the other."""
    drills = (("kill-broker", "rabbitmq-1"), ("pause-broker", "rabbitmq-2", "--seconds", "70"))
    return campaigns.run(tmp_path_factory.mktemp("faults"), drills, seconds=SECONDS, rate=RATE, singles=SINGLES)


def test_the_others_noticed_and_it_came_back(faults: Campaign) -> None:
    """Each was seen to be away by the cluster, and its queues have it again."""
    for each in faults.drills:
        assert each.exit_code == 0, f"{each.drill}: {each.said.get('error')}"
        assert each.said["injected_at"] <= each.said["confirmed_at"] <= each.said["recovered_at"]


def test_nothing_is_lost_and_nothing_happens_twice(faults: Campaign) -> None:
    """And no request failed: the gateway does not need the broker."""
    seen = {name: faults.verdict[name] for name in ("lost", "duplicated_effects", "dead_lettered", "unknown")}
    assert seen == {"lost": 0, "duplicated_effects": 0, "dead_lettered": 0, "unknown": 0}
    assert faults.verdict["accepted"] == faults.verdict["executed"] > 0
