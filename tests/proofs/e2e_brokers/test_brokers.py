"""Under load from outside brokers are rolled, stopped where they stand and parted, and the application is rolled.

Everything that the gateway accepted is executed once, and no request fails. A killed broker is in e2e, which always
runs; here are the slower troubles.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness.kubernetes import campaign as campaigns
from tests.harness.kubernetes.campaign import Campaign

DRILLS = (
    ("restart-brokers",),
    ("restart-application",),
    # Longer than Erlang waits for a silent neighbour.
    ("pause-broker", "rabbitmq-2", "--seconds", "70"),
    ("partition-broker", "rabbitmq-0"),
)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]) -> Campaign:
    """All of it, once."""
    went = campaigns.run(tmp_path_factory.mktemp("brokers"), DRILLS)
    for line in went.summary():
        say(line)
    return went


def test_every_drill_happened_and_healed(campaign: Campaign) -> None:
    """Each says when it began, that it was confirmed, and that all was well again."""
    campaign.assert_healed()


def test_nothing_is_lost_and_nothing_happens_twice(campaign: Campaign) -> None:
    """The ledger against the database, event by event and sum by sum."""
    campaign.assert_exact()


def test_every_window_had_load(campaign: Campaign) -> None:
    """A drill that met few events would have shown little."""
    campaign.assert_load_in_every_window()


def test_a_quorum_of_brokers_was_always_ready(campaign: Campaign) -> None:
    """Two of three, asked every second while pods are replaced."""
    watched = [each.said["fewest_ready_brokers"] for each in campaign.drills if each.drill.startswith("restart")]
    assert len(watched) == 2
    assert min(watched) >= 2


def test_no_request_fails(campaign: Campaign) -> None:
    """The gateway needs its database alone; the outbox waits for brokers."""
    campaign.assert_refused_only_in(())
