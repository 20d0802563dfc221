"""What the campaign demands, and what its windows hold: each demand is seen to be missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from loadtests.history import Outcome
from loadtests.reconcile import reconcile
from loadtests.synthetic import START, Request, make_run
from tests.harness.campaign import Campaign
from tests.harness.faults import Fault
from tests.harness.windows import BETWEEN, Window, accounts_of, table

#: One request each tenth of a second: the first window holds 10 to 19, the second 30 to 39.
WINDOWS = (Window("relay", START + 1.0, START + 1.95), Window("gateway", START + 3.0, START + 3.95))
FAULTS = (Fault("relay", lambda _stack, _load: None), Fault("gateway", lambda _stack, _load: None, refuses=True))
GOOD = [Request() for _ in range(30)] + [Request(outcome=Outcome.UNKNOWN)] + [Request() for _ in range(19)]


def made(requests: Sequence[Request], lose: int | None = None, double: int | None = None) -> Campaign:
    """A campaign with these requests, and with one effect taken away or written twice."""
    history, seen = make_run(requests)
    rows = list(seen.effects)
    if lose is not None:
        rows.pop(lose)
    if double is not None:
        rows.append(rows[double])
    seen = replace(seen, effects=tuple(rows))
    windows = {account.name: account for account in accounts_of(history, seen, WINDOWS)}
    return Campaign(FAULTS, reconcile(history, seen), windows)


def test_a_campaign_that_went_well() -> None:
    """All demands are met, and each request is in one window or between them."""
    campaign = made(GOOD)
    campaign.assert_exact()
    campaign.assert_refused_only_where_said()
    campaign.assert_load_in_every_window()
    assert {name: window.requests.total() for name, window in campaign.windows.items()} == {
        "relay": 10,
        "gateway": 10,
        BETWEEN: 30,
    }


@pytest.mark.parametrize(("fault", "column"), [("lose", "lost"), ("double", "duplicated")])
def test_a_wrong_account_names_its_window(fault: str, column: str) -> None:
    """The effect that is missing or too many is in the line of the window in which it was sent."""
    campaign = made(GOOD, **{fault: 12})
    with pytest.raises(AssertionError, match="window"):
        campaign.assert_exact()
    assert {name: getattr(window, column) for name, window in campaign.windows.items()} == {
        "relay": 1,
        "gateway": 0,
        BETWEEN: 0,
    }


@pytest.mark.parametrize("index", [15, 25])
def test_a_refusal_in_another_window_or_in_none_is_red(index: int) -> None:
    """Only the gateway's fault may cost an answer."""
    requests = list(GOOD)
    requests[index] = Request(outcome=Outcome.REFUSED)
    with pytest.raises(AssertionError, match="relay" if index == 15 else BETWEEN):
        made(requests).assert_refused_only_where_said()


def test_a_fault_that_met_no_request_is_red() -> None:
    """The gateway died, and every request was answered: then it did not die under load."""
    with pytest.raises(AssertionError, match="gateway"):
        made([Request() for _ in range(50)]).assert_refused_only_where_said()


def test_a_window_without_load_is_red() -> None:
    """It has shown nothing."""
    with pytest.raises(AssertionError, match="gateway"):
        made(GOOD[:30]).assert_load_in_every_window()


def test_a_request_under_way_at_the_fault_belongs_to_it() -> None:
    """It was sent before and answered after the beginning."""
    history, seen = make_run([Request()])
    sent_at = history.attempts[0].result.sent_at
    assert sent_at is not None
    (window, _) = accounts_of(history, seen, [Window("fault", sent_at + 0.01, sent_at + 5)])
    assert window.accepted == 1
    assert "fault" in table([window])
