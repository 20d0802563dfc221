"""P3 and P5 on RabbitMQ 4.0: a lost node is not noticed, and without any node nothing is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.campaign import Campaign
from tests.harness.faults import Fault, kills
from tests.harness.stack import Stack

OUTAGE_SECONDS = 15.0


@pytest.mark.parametrize(
    "fault", [fault for fault in kills(OUTAGE_SECONDS) if "broker" in fault.name], ids=lambda fault: fault.name
)
def test_lost_nodes(cluster40: Stack, tmp_path: Path, fault: Fault) -> None:
    """Nothing is lost, nothing happens twice, no request fails, and each worker works while one node is dead."""
    campaign = Campaign.run(cluster40, tmp_path, [fault])
    campaign.assert_exact()
    campaign.assert_refused_only_where_said()
