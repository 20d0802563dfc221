"""The report: one page that opens offline, drawn from verdict.json alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from loadtests.artifacts import REPORT_FILE

_TEMPLATE = "report.html.j2"
_LATENCIES = (
    ("end_to_end", "End to end, all events", "intended send to stored effect"),
    ("end_to_end_single", "End to end, single events", "intended send to stored effect"),
    ("end_to_end_list", "End to end, lists", "intended send to stored effect"),
    ("http", "Gateway's answer", "actual send to answer"),
    ("send_lateness", "Generator's lateness", "intended to actual send; it is inside the end-to-end figures"),
)
_MEANINGS = {
    "PASS": "Every accepted event was executed exactly once.",
    "FAIL": "A promise was broken.",
    "VOID": "This run proves nothing, neither good nor bad.",
}
#: Stands where there is no value.
_NONE = "-"
_NO_FAULT = "No fault was asked for: this run shows speed and accounting, not survival."


def write_report(folder: Path, content: Mapping[str, Any]) -> Path:
    """Draw report.html into the run's folder."""
    path = folder / REPORT_FILE
    path.write_text(render(content), encoding="utf-8")
    return path


def render(content: Mapping[str, Any]) -> str:
    """Draw the page."""
    page = templates().get_template(_TEMPLATE)
    return page.render(
        v=content,
        meaning=_meaning(content),
        latencies=[(title, note, content["latency_ms"][name]) for name, title, note in _LATENCIES],
        figure=figure(content),
        evidence=evidence(content),
        plotly_js=get_plotlyjs(),
    )


def templates() -> Environment:
    """The pages' templates. They escape everything that comes from a run: an error's text is whatever a server said."""
    found = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["count"] = lambda value: f"{value:,}"
    found.filters["ms"] = _milliseconds
    found.filters["seconds"] = lambda value: _NONE if value is None else f"{value:.2f} s"
    found.filters["moment"] = _moment
    return found


def figure(content: Mapping[str, Any]) -> dict[str, Any]:
    """The plot's data and layout; colours of text and grid are the page's, set there."""
    line = content["timeline"]
    seconds = list(range(len(line["executed"])))
    rates: dict[str, Any] = {"x": seconds, "type": "scatter", "mode": "lines"}
    hover = "%{y:,} events/s"
    traces = [
        {**rates, "y": line["accepted"], "name": "accepted", "line": {"color": "#3b82f6", "width": 2}},
        {**rates, "y": line["executed"], "name": "executed", "line": {"color": "#16a34a", "width": 2}},
    ]
    for trace in traces:
        trace["hovertemplate"] = hover
    waiting = {
        **rates,
        "y": line["pending"],
        "name": "accepted, not yet executed",
        "yaxis": "y2",
        "fill": "tozeroy",
        "line": {"color": "#d97706", "width": 1.5},
        "hovertemplate": "%{y:,} events",
    }
    shapes, notes = _fault_window(content)
    return {
        "data": [*traces, waiting],
        "layout": {
            "height": 460,
            "margin": {"l": 64, "r": 16, "t": 40, "b": 44},
            "hovermode": "x unified",
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "xaxis": {"title": {"text": "seconds since the start of the load"}, "anchor": "y2", "zeroline": False},
            "yaxis": {"title": {"text": "events per second"}, "domain": [0.36, 1], "rangemode": "tozero"},
            "yaxis2": {"title": {"text": "waiting"}, "domain": [0, 0.26], "rangemode": "tozero"},
            "shapes": shapes,
            "annotations": notes,
        },
    }


def evidence(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What proves the fault, a line each."""
    fault = content["fault"]
    if fault is None:
        return []
    start = content["started_at"]
    said = fault["evidence"]
    killed = ("Killed (SIGKILL)", f"{said.get('node', _NONE)} ({said.get('container', _NONE)})")
    led = [
        (
            "It led the busiest queue",
            f"{said.get('queue', _NONE)}, {said.get('queue_publish_rate', 0):,.0f} messages/s",
        ),
        ("It carried workers' connections", str(len(said.get("worker_connections", [])))),
        ("One of them", str(said.get("worker_connection", _NONE))),
    ]
    lines = [
        killed,
        *(led if "queue" in said else []),
        ("Injected", _after(fault["injected_at"], start)),
        ("Confirmed", _after(fault["confirmed_at"], start)),
        ("Leader afterwards", str(said.get("new_leader", _NONE))),
        ("Workers seen consuming elsewhere", _after_kill(said.get("workers_seen_back_after_seconds"))),
        ("Started again", _after(fault["cleared_at"], start)),
        ("Dead for", f"{fault['dead_seconds']:.1f} s"),
        ("Back in the cluster", _after(fault["recovered_at"], start)),
    ]
    return [*lines, ("Error", str(fault["error"]))] if fault["error"] else lines


def _role(evidence: Mapping[str, Any]) -> str:
    return "leader of the busiest queue" if "queue" in evidence else "with what it held"


def _meaning(content: Mapping[str, Any]) -> str:
    meaning = _MEANINGS[content["verdict"]]
    fault = content["fault"]
    if fault is None:
        return f"{meaning} {_NO_FAULT}"
    if content["verdict"] == "PASS":
        node = fault["evidence"].get("node", "a broker node")
        return f"{meaning} Meanwhile {node}, {_role(fault['evidence'])}, was dead for {fault['dead_seconds']:.0f} s."
    return meaning


def _fault_window(content: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    fault = content["fault"]
    if fault is None or fault["injected_at"] is None:
        return [], []
    begin = fault["injected_at"] - content["started_at"]
    end = (fault["cleared_at"] or content["ended_at"]) - content["started_at"]
    window = {
        "type": "rect", "xref": "x", "yref": "paper", "x0": begin, "x1": end, "y0": 0, "y1": 1,
        "fillcolor": "#dc2626", "opacity": 0.13, "line": {"width": 0}, "layer": "below",
    }  # fmt: skip
    edge = {
        "type": "line", "xref": "x", "yref": "paper", "x0": begin, "x1": begin, "y0": 0, "y1": 1,
        "line": {"color": "#dc2626", "width": 1.5, "dash": "dot"},
    }  # fmt: skip
    note = {
        "xref": "x", "yref": "paper", "x": (begin + end) / 2, "y": 1, "yanchor": "top", "showarrow": False,
        "text": f"{fault['evidence'].get('node', 'node')} dead for {fault['dead_seconds']:.0f} s",
        "font": {"color": "#dc2626", "size": 12},
    }  # fmt: skip
    return [window, edge], [note]


def _milliseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def _moment(unix: float) -> str:
    return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _after(unix: float | None, start: float) -> str:
    return _NONE if unix is None else f"{unix - start:.1f} s after the start"


def _after_kill(seconds: float | None) -> str:
    return "not seen (the API lags)" if seconds is None else f"at most {seconds:.1f} s after the kill"
