"""The named crash points: processes die between two systems, where no random kill hits, and the account stays exact."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.failpoints import Failpoint
from tests.harness import chords
from tests.harness.campaign import Campaign
from tests.harness.crash_points import CRASH_POINTS
from tests.harness.stack import Stack
from tests.harness.stacks import healed


@pytest.fixture(scope="module")
def campaign(_single: Stack, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Each crash point once, under one load."""
    return Campaign.run(healed(_single), tmp_path_factory.mktemp("crash-points"), CRASH_POINTS)


def test_nothing_is_lost_and_nothing_happens_twice(
    campaign: Campaign, record_property: Callable[[str, str], None]
) -> None:
    """The ledger against the database, event by event and sum by sum."""
    campaign.assert_exact()
    record_property("account", campaign.shown)


def test_requests_fail_only_when_the_gateway_crashes(campaign: Campaign) -> None:
    """Crashes of relay, worker and archiver cost nobody an answer."""
    campaign.assert_refused_only_where_said()


def test_a_commit_decides_what_an_unanswered_request_becomes(campaign: Campaign) -> None:
    """The request that met a crash before the commit never runs; the one that met a crash after it runs."""
    assert campaign.windows[Failpoint.GATEWAY_BEFORE_COMMIT].unknown_executed == 0
    assert campaign.windows[Failpoint.GATEWAY_AFTER_COMMIT].unknown_executed > 0


def test_every_crash_point_is_tried() -> None:
    """A new crash point belongs into the table; `chords`, `patterns_calls` and `patterns_batches` have their own."""
    elsewhere = {*chords.CRASH_POINTS, Failpoint.WORKER_AFTER_CALL, Failpoint.WORKER_MIDDLE_OF_UPLOAD}
    assert {fault.name for fault in CRASH_POINTS} >= set(Failpoint) - elsewhere
