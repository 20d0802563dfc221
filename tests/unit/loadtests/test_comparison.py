"""A run against a baseline: ratios, and a refusal where they would mean nothing."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from loadtests.artifacts import write_document
from loadtests.cli import app
from loadtests.comparison import comparison
from loadtests.errors import ComparisonError
from tests.unit.loadtests.test_artifacts import MIXED, make_document

BASELINE = make_document(MIXED)
_EXECUTED = BASELINE["throughput"]["executed_events_per_second"]


def changed(place: str, value: Any) -> dict[str, Any]:
    """The baseline with another value at a place like `options.seed`."""
    content: dict[str, Any] = deepcopy(orjson.loads(orjson.dumps(BASELINE)))
    *tables, key = place.split(".")
    table = content
    for name in tables:
        table = table[name]
    table[key] = value
    return content


def slower(share: float) -> dict[str, Any]:
    """The baseline with a p99 of the single events that is so much worse."""
    return changed("latency_ms.end_to_end_single.p99", BASELINE["latency_ms"]["end_to_end_single"]["p99"] * (1 + share))


def test_a_run_is_as_good_as_itself() -> None:
    """All ratios are 1; the figures of all kinds are there."""
    found = comparison(BASELINE, BASELINE)
    assert found.ok
    assert {ratio.ratio for ratio in found.ratios} == {1.0}
    assert {"executed_events_per_second", "end_to_end_list_p95_ms", "http_p50_ms"} <= {one.name for one in found.ratios}


@pytest.mark.parametrize(
    ("run", "ok"),
    [
        (slower(0.29), True),
        (slower(0.31), False),
        (slower(-0.5), True),
        (changed("throughput.executed_events_per_second", 0.69 * _EXECUTED), False),
        (changed("throughput.executed_events_per_second", 2 * _EXECUTED), True),
    ],
)
def test_worse_than_allowed_is_red(run: dict[str, Any], ok: bool) -> None:
    """More milliseconds are worse, more events are better."""
    found = comparison(run, BASELINE, worse=0.3)
    assert found.ok is ok
    assert sum(not ratio.ok for ratio in found.ratios) == (not ok)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (changed("options.target", "kubernetes"), "target is kubernetes here and local in the baseline"),
        (changed("options.fault", value=False), "fault is False here"),
        (changed("options.mix", value=True), "mix is True here"),
        (changed("options.seconds", 30.0), "seconds is 30.0 here"),
        (changed("options.schedule.lists_per_second", 1.0), "lists_per_second is 1.0 here"),
        (changed("verdict", "VOID"), "The run 20260101-000000-abcd is VOID"),
        (changed("verdict", "FAIL"), "is FAIL"),
    ],
)
def test_runs_of_different_kinds_are_not_compared(run: dict[str, Any], message: str) -> None:
    """It says what is different."""
    with pytest.raises(ComparisonError, match=message):
        comparison(run, BASELINE)


def test_another_seed_is_the_same_kind_and_another_machine_is_said() -> None:
    """A faster processor explains a faster run."""
    assert comparison(changed("options.seed", 2), BASELINE).machine == []
    assert comparison(changed("environment.cores", 64), BASELINE).machine == ["cores is 64 here and 2 in the baseline"]


def test_a_share_of_what_is_sustained_is_the_same_load_at_any_rate() -> None:
    """The trial finds another rate each time."""
    baseline = changed("options.share", 0.4)
    run = deepcopy(baseline)
    run["options"]["schedule"]["lists_per_second"] = 1.0
    assert comparison(run, baseline).ok


@pytest.mark.parametrize(
    ("run", "words", "code"),
    [
        (BASELINE, [], 0),
        (slower(0.5), [], 1),
        (slower(0.5), ["--worse", "0.6"], 0),
        (changed("options.fault", value=False), [], 4),
        (changed("schema_version", 1), [], 4),
    ],
)
def test_the_command(tmp_path: Path, run: dict[str, Any], words: list[str], code: int) -> None:
    """Its exit code, and JSON alone on standard output."""
    for name, content in (("run", run), ("baseline", BASELINE)):
        (tmp_path / name).mkdir()
        write_document(tmp_path / name, content)

    result = CliRunner().invoke(app, ["compare", str(tmp_path / "run"), str(tmp_path / "baseline"), "--json", *words])

    assert result.exit_code == code
    assert (orjson.loads(result.stdout)["ok"] is (code == 0)) if code != 4 else not result.stdout
