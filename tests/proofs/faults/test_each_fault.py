"""P1 and P2: whatever single process dies under load, nothing is lost and nothing happens twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.campaign import Campaign
from tests.harness.crash_points import CRASH_POINTS
from tests.harness.faults import Fault, kills
from tests.harness.stack import Stack

OUTAGE_SECONDS = 15.0


def _alone(stack: Stack, folder: Path, fault: Fault) -> None:
    campaign = Campaign.run(stack, folder, [fault])
    campaign.assert_exact()
    campaign.assert_refused_only_where_said()


@pytest.mark.parametrize("fault", kills(OUTAGE_SECONDS), ids=lambda fault: fault.name)
def test_kill(cluster: Stack, tmp_path: Path, fault: Fault) -> None:
    """A process or server is killed, on three broker nodes."""
    _alone(cluster, tmp_path, fault)


@pytest.mark.parametrize("fault", CRASH_POINTS, ids=lambda fault: fault.name)
def test_crash_point(single: Stack, tmp_path: Path, fault: Fault) -> None:
    """A process dies between two systems."""
    _alone(single, tmp_path, fault)
