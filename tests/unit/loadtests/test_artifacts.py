"""What a run leaves behind: a document that keeps to its schema, and a page that shows its figures."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from loadtests.artifacts import SCHEMA_FILE, Run, document, gateway_errors, link_latest, write_document
from loadtests.fault import Fault
from loadtests.history import Outcome
from loadtests.latency import measure
from loadtests.objective_file import ObjectiveFile
from loadtests.objectives import Figures, assess
from loadtests.options import Options
from loadtests.reconcile import reconcile
from loadtests.report import evidence, figure, render, write_report
from loadtests.synthetic import START, Request, make_run
from loadtests.timeline import draw, longest_stall, passages
from loadtests.verdict import Conduct, decide, judge

ROOT = Path(__file__).parents[3]
FAULT = Fault(
    injected_at=START + 2,
    confirmed_at=START + 3,
    cleared_at=START + 34,
    recovered_at=START + 50,
    evidence={"node": "rabbit@rabbitmq-2", "queue": "bulk", "worker_connections": [{}], "worker_connection": "a -> b"},
)


def make_document(requests: list[Request], fault: Fault | None = FAULT, **options: Any) -> dict[str, Any]:
    """The document of a made-up run."""
    history, seen = make_run(requests)
    accounting, latencies = reconcile(history, seen), measure(history, seen)
    ways = passages(history, seen)
    asked = Options(out=Path("out"), fault=fault is not None, **options)
    conduct = Conduct(fault_wanted=asked.fault, fault=fault, drained=True, clock_offset_seconds=0.0)
    checks = judge(accounting, latencies, conduct)
    figures = Figures(
        accounting=accounting,
        latencies=latencies,
        executed_in_time=accounting.executed,
        executed_events_per_second=500.0,
        stall_seconds=longest_stall(ways, START).seconds,
        recovery_seconds=1.25 if fault else None,
        fault_injected=fault is not None,
    )
    return document(
        Run(
            run="20260101-000000-abcd",
            started_at=START,
            load_ended_at=START + 60,
            ended_at=START + 80,
            verdict=decide(checks),
            checks=checks,
            objectives=assess(figures, ObjectiveFile.read().bounds(fault=fault is not None)),
            accounting=accounting,
            latencies=latencies,
            timeline=draw(history, ways, START),
            stall=longest_stall(ways, START),
            recovery_seconds=1.25 if fault else None,
            fault=fault,
            drain_seconds=8.0,
            gateway_errors=gateway_errors(history),
            options=asked.as_data(),
            environment={"cores": 2, "kernel": "<b>6.1</b>"},
            reproduce=asked.command(),
        )
    )


MIXED = [Request() for _ in range(1200)] + [Request(events=150), Request(outcome=Outcome.UNKNOWN, events=3)]


@pytest.mark.parametrize(
    ("requests", "fault"),
    [
        (MIXED, FAULT),
        (MIXED, None),
        (MIXED, Fault(error="no worker")),
        ([Request(outcome=Outcome.REFUSED)], replace(FAULT, recovered_at=None)),
        ([Request(ran=False)], replace(FAULT, cleared_at=None)),
        ([Request(outcome=Outcome.ACCEPTED, ran=False)] * 30, FAULT),
        ([Request(dead_lettered=True)], None),
        ([], None),
    ],
)
def test_every_document_keeps_to_its_schema_and_has_a_report(requests: list[Request], fault: Fault | None) -> None:
    """The worse a run, the more its figures are needed."""
    schema = orjson.loads(SCHEMA_FILE.read_bytes())
    content = orjson.loads(orjson.dumps(make_document(requests, fault)))

    jsonschema_rs.validate(schema, content)

    assert content["accepted"] == content["executed"] + content["dead_lettered"] + content["lost"]
    assert "<h2>Accounting</h2>" in render(content)


def test_the_schema_page_names_every_field() -> None:
    """A field that is not explained in docs/verdict-schema.md is a field that nobody can rely on."""
    page = (ROOT / "docs" / "verdict-schema.md").read_text()

    missing = [name for name in make_document(MIXED) if f"`{name}" not in page]

    assert missing == []


def test_the_exact_counts_stand_at_the_top_level() -> None:
    """Lost events are counted and named where every script looks."""
    content = make_document([*MIXED, *[Request(ran=False)] * 3])

    assert content["verdict"] == "FAIL"
    assert content["reasons"] == ["nothing lost: 3 of 1,353 accepted events lost"]
    assert (content["accepted"], content["executed"], content["lost"], content["unknown"]) == (1353, 1350, 3, 3)
    assert len(content["offenders"]["lost"]) == 3


def test_the_report_shows_the_figures() -> None:
    """The verdict, the counts and the fault are on the page, and Plotly is inside it."""
    page = render(make_document(MIXED))

    text = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    for shown in (
        "PASS",
        "1,350",
        "rabbit@rabbitmq-2",
        "32.0 s",
        "events accepted",
        "1.25 s",
        "demo --seconds 60",
        "requests accepted",
    ):
        assert shown in text
    assert "Plotly.newPlot" in page
    assert len(page) > 1_000_000
    assert "<script src" not in page
    assert "cdn" not in text


def test_the_report_escapes_what_a_server_said() -> None:
    """An error's text is not markup."""
    page = render(make_document(MIXED, replace(FAULT, error="<script>alert(1)</script>")))

    assert "<script>alert(1)" not in page
    assert "&lt;b&gt;6.1&lt;/b&gt;" in page


def test_a_load_that_was_ended_early_lasted_as_long_as_it_did() -> None:
    """And not as long as it might have."""
    assert "60.0 s of load" in render(make_document(MIXED, seconds=1800.0))


def test_the_plot_shades_the_fault() -> None:
    """From the kill to the start, in seconds of the load."""
    content = make_document(MIXED)

    window = figure(content)["layout"]["shapes"][0]

    assert (window["x0"], window["x1"]) == (2, 34)
    assert figure(make_document(MIXED, None))["layout"]["shapes"] == []
    assert dict(evidence(content))["Dead for"] == "32.0 s"


def test_files_are_written_and_latest_points_at_them(tmp_path: Path) -> None:
    """`out/latest` follows the last run, also over an older link."""
    content = make_document(MIXED)
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        write_document(folder, content)
        write_report(folder, content)
        link_latest(folder)

    assert (tmp_path / "latest").readlink() == Path("second")
    assert orjson.loads((tmp_path / "latest" / "verdict.json").read_bytes())["verdict"] == "PASS"
    assert (tmp_path / "latest" / "report.html").stat().st_size > 1_000_000


def test_gateway_errors_are_told_apart() -> None:
    """By status where there was an answer, by error where there was none."""
    history, _ = make_run([Request(outcome=Outcome.REFUSED), Request(outcome=Outcome.UNKNOWN), Request()])

    assert gateway_errors(history) == {"422": 1, "no answer": 1}


def test_the_command_repeats_the_run() -> None:
    """Rates, seed and file stand in it, so that it does not depend on defaults."""
    options = Options(out=Path("out"), seconds=30, input_file=Path("my events.ndjson"), fault=False, seed=4)

    assert options.command() == (
        "python -m loadtests demo --seconds 30 --rate 150 --singles 20 --seed 4 --input 'my events.ndjson' --no-fault"
        " --no-mix"
    )
