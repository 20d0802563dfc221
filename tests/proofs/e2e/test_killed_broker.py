"""A broker is killed under load: everything that was accepted is executed once, and no request fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.harness.kubernetes import campaign as campaigns


def test_a_killed_broker_costs_nothing(tmp_path: Path, say: Callable[[str], None]) -> None:
    """The ledger against the database, event by event and sum by sum."""
    campaign = campaigns.run(tmp_path, [("kill-broker", "rabbitmq-1")])
    for line in campaign.summary():
        say(line)
    campaign.assert_healed()
    campaign.assert_exact()
    campaign.assert_load_in_every_window()
    campaign.assert_refused_only_in(())
