"""P1, P2, P3, P5: one load and one ledger, under which every process and server dies, one after the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness.campaign import Campaign
from tests.harness.faults import kills
from tests.harness.stack import Stack
from tests.harness.stacks import healed

#: Longer than every time-out of ours on a socket; a minute is for the proof `outages`.
OUTAGE_SECONDS = 15.0


@pytest.fixture(scope="module")
def campaign(_cluster: Stack, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Relay, workers, gateway, Redis, PostgreSQL, a broker node, all broker nodes."""
    return Campaign.run(healed(_cluster), tmp_path_factory.mktemp("campaign"), kills(OUTAGE_SECONDS))


def test_nothing_is_lost_and_nothing_happens_twice(
    campaign: Campaign, record_property: Callable[[str, str], None]
) -> None:
    """The ledger against the database, event by event and sum by sum; no outage dead-letters anything."""
    campaign.assert_exact()
    record_property("account", campaign.shown)


def test_requests_fail_only_while_gateway_or_database_is_dead(campaign: Campaign) -> None:
    """A dead relay, worker, Redis or broker costs nobody an answer, and no fault outlasts its window."""
    campaign.assert_refused_only_where_said()


def test_every_fault_met_a_load(campaign: Campaign) -> None:
    """Requests were accepted in each window."""
    campaign.assert_load_in_every_window()
