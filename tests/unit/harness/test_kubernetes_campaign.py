"""What a campaign on a cluster demands of its load, its drills and its account."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadtests.history import Effect, Intent, Kind, Outcome, Result
from loadtests.ledger import Ledger
from loadtests.verdict import Weight
from tests.harness.kubernetes import campaign as campaigns
from tests.harness.kubernetes.campaign import Campaign, Evidence, Load

#: One list of ten events a second, for a hundred seconds; a drill from the 40th to the 60th.
DRILL = Evidence("drain node-1", 0, {"injected_at": 40.0, "confirmed_at": 41.0, "recovered_at": 60.0})
EXACT: dict[str, Any] = {
    "accepted": 1000, "executed": 1000, "dead_lettered": 0, "dead_letter_reasons": {}, "checks": [], "started_at": 0.0,
    "timeline": {"executed": [10] * 100, "executed_of_lists": [10] * 100},
}  # fmt: skip


def made(
    folder: Path,
    outcome: Callable[[int], Outcome],
    verdict: dict[str, Any] | None = None,
    drills: tuple[Evidence, ...] = (DRILL,),
) -> Campaign:
    """A campaign whose request in each second ended so."""
    ledger = Ledger(folder / "ledger", run="r")
    for second in range(100):
        effects = tuple(Effect(f"{second}-{number}", "u", 1) for number in range(10))
        ledger.intend([Intent(request_id=str(second), kind=Kind.LIST, intended_at=float(second), effects=effects)])
        ledger.record(Result(request_id=str(second), outcome=outcome(second), status=503))
    ledger.close()
    said = {**EXACT, "load_ended_at": 100.0, "options": {"events_per_second": 10.0}, **(verdict or {})}
    return Campaign(said, folder, drills)


def accepted(_: int) -> Outcome:
    """All is well."""
    return Outcome.ACCEPTED


def test_a_campaign_that_went_well(tmp_path: Path) -> None:
    """All demands are met."""
    campaign = made(tmp_path, accepted)
    campaign.assert_healed()
    campaign.assert_exact()
    campaign.assert_load_in_every_window()
    campaign.assert_refused_only_in(())


def check(name: str, weight: Weight) -> dict[str, Any]:
    """A check that is not met."""
    return {"checks": [{"name": name, "ok": False, "weight": str(weight), "detail": "3 of 1,000"}]}


def test_a_fault_of_the_account_is_red(tmp_path: Path) -> None:
    """And names itself, beside what each drill met."""
    with pytest.raises(AssertionError, match=r"nothing lost: 3 of 1,000\ndrain node-1: well again after 20 s"):
        made(tmp_path, accepted, check("nothing lost", Weight.FAIL)).assert_exact()


def test_a_late_generator_and_refusals_are_judged_by_windows(tmp_path: Path) -> None:
    """Neither says anything about what was accepted."""
    made(tmp_path / "1", accepted, check("generator on time", Weight.VOID)).assert_exact()
    made(tmp_path / "2", accepted, check("requests were accepted", Weight.FAIL)).assert_exact()


def test_dead_letters_are_red(tmp_path: Path) -> None:
    """No drill may cost an event its attempts."""
    with pytest.raises(AssertionError, match=r"dead letters: {'failed': 2}"):
        made(tmp_path, accepted, {"dead_lettered": 2, "dead_letter_reasons": {"failed": 2}}).assert_exact()


def test_accepted_and_not_executed_is_red(tmp_path: Path) -> None:
    """Whatever the other figures say."""
    with pytest.raises(AssertionError, match="1000 accepted, 999 executed"):
        made(tmp_path, accepted, {"executed": 999}).assert_exact()


@pytest.mark.parametrize("outcome", [Outcome.NOT_SENT, Outcome.UNKNOWN])
def test_a_window_without_load_is_red(tmp_path: Path, outcome: Outcome) -> None:
    """The generator sent nothing, or nothing was accepted, from the first to the last second of it."""
    campaign = made(tmp_path, lambda second: outcome if 40 <= second <= 60 else Outcome.ACCEPTED)
    with pytest.raises(AssertionError, match="too little load under drain node-1"):
        campaign.assert_load_in_every_window()


def test_a_load_that_ends_in_the_middle_of_a_drill_is_red(tmp_path: Path) -> None:
    """A quarter of the window is too little."""
    campaign = made(tmp_path, lambda second: Outcome.ACCEPTED if second < 45 else Outcome.NOT_SENT)
    with pytest.raises(AssertionError, match="too little load under drain node-1"):
        campaign.assert_load_in_every_window()


def test_a_drill_that_never_healed_had_load_until_its_end(tmp_path: Path) -> None:
    """That it did not heal is said by another demand, not by this one."""
    never = Evidence("partition-broker rabbitmq-0", 1, {"injected_at": 60.0, "error": "not in time"})
    campaign = made(tmp_path, accepted, drills=(never,))
    campaign.assert_load_in_every_window()
    [line] = campaign.windows()
    assert line.startswith("partition-broker rabbitmq-0: not well again in 40 s; meanwhile 400 events sent")


def test_a_window_says_for_how_long_lists_stood_still(tmp_path: Path) -> None:
    """Although single events went on; what comes before and after it is another window's."""
    lists = [0 if 30 <= second < 47 or second == 50 else 8 for second in range(100)]
    line = {"executed": [2 + in_lists for in_lists in lists], "executed_of_lists": lists}
    [said] = made(tmp_path, accepted, {"timeline": line}).windows()
    assert said.endswith("at most 7 s on end without a list, 0 s without a single event")


def test_requests_may_fail_only_where_it_is_said(tmp_path: Path) -> None:
    """One second beside the window is enough to be red."""
    campaign = made(tmp_path, lambda second: Outcome.UNKNOWN if 45 <= second <= 50 else Outcome.ACCEPTED)
    campaign.assert_refused_only_in([(45.0, 50.0)])
    with pytest.raises(AssertionError, match=r"1 from 50.0: .*unknown 503"):
        campaign.assert_refused_only_in([(45.0, 49.0)])


def test_a_drill_that_did_not_heal_is_red(tmp_path: Path) -> None:
    """With its own words."""
    failed = Evidence("drain node-1", 1, {"injected_at": 1.0, "error": "On node-1 after 300 s: ['relay']"})
    with pytest.raises(AssertionError, match="On node-1 after 300 s"):
        Campaign({}, tmp_path, (failed,)).assert_healed()


#: Stand for `python -m loadtests demo`, with the folder as argument.
_TOO_SLOW = "print('This machine is too slow for a verdict now'); sys.exit(4)"
_ENDS = """
folder = pathlib.Path(sys.argv[1]); run = folder / "run"
run.mkdir(); (run / "started").touch()
while not (folder / "end").exists(): time.sleep(0.01)
(run / "verdict.json").write_text('{"reasons": [%s]}'); (folder / "latest").symlink_to("run")
"""
_STAYS = """
print("going on", flush=True)
(pathlib.Path(sys.argv[1]) / "run").mkdir(); (pathlib.Path(sys.argv[1]) / "run/started").touch()
time.sleep(600)
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Load]:
    """Start a load whose process is this program."""
    popen = subprocess.Popen

    def made(program: str) -> Load:
        def instead(_: Any, **options: Any) -> subprocess.Popen[bytes]:
            words = (sys.executable, "-S", "-c", f"import pathlib, sys, time\n{program}", str(tmp_path))
            return popen(words, **options)

        monkeypatch.setattr(campaigns.subprocess, "Popen", instead)
        return Load(tmp_path)

    return made


def test_a_load_ends_when_its_drills_have(start: Callable[[str], Load]) -> None:
    """It goes on until then."""
    load = start(_ENDS % "")
    load.wait_for_start()
    campaign = load.finish([DRILL])
    assert campaign.folder.name == "run"
    assert campaign.verdict == {"reasons": []}
    assert campaign.drills == (DRILL,)


def test_a_machine_that_is_too_slow_is_in_the_failure(start: Callable[[str], Load]) -> None:
    """No drill begins, and the load's own words are there."""
    with pytest.raises(AssertionError, match=r"exit code 4 before it began:\nThis machine is too slow"):
        start(_TOO_SLOW).wait_for_start()


def test_a_load_that_does_not_stop_is_red(start: Callable[[str], Load], monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that goes on, and the generator that had to be ended."""
    monkeypatch.setattr(campaigns, "_END_SECONDS", 0.2)
    load = start(_STAYS)
    load.wait_for_start()
    with pytest.raises(AssertionError, match="after its end the load still runs:\ngoing on"):
        load.finish()
    load.stop()


def test_a_generator_that_had_to_be_ended_is_red(start: Callable[[str], Load]) -> None:
    """Its account would be of something else."""
    load = start(_ENDS % '"generator finished: it did not end in time"')
    load.wait_for_start()
    with pytest.raises(AssertionError, match="did not end in time"):
        load.finish()
