"""The page of a day of drills: one timeline with the faults shaded, and a table of faults against promises."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from plotly.offline import get_plotlyjs

from loadtests.day import Day, DrillOfDay
from loadtests.report import templates

PAGE_FILE, DATA_FILE = "day.html", "day.json"
_TEMPLATE = "day.html.j2"
#: In a timeline: the name on the page, its axis, its colour, its unit.
_SERIES = (
    ("intended", "offered", "y", "#94a3b8", "events/s"),
    ("accepted", "accepted", "y", "#3b82f6", "events/s"),
    ("executed", "executed", "y", "#16a34a", "events/s"),
    ("pending", "depth: accepted, not yet executed", "y2", "#d97706", "events"),
    ("p99_milliseconds", "p99 of those executed", "y3", "#9333ea", "ms"),
)
_COLOURS = {"PASS": "#dc2626", "FAIL": "#7f1d1d"}


def write_day(folder: Path, day: Day) -> Path:
    """Write day.json and draw day.html into the day's folder."""
    (folder / DATA_FILE).write_bytes(orjson.dumps(day.as_data(), option=orjson.OPT_INDENT_2))
    path = folder / PAGE_FILE
    path.write_text(render_day(day), encoding="utf-8")
    return path


def render_day(day: Day) -> str:
    """Draw the page."""
    return templates().get_template(_TEMPLATE).render(day=day, figure=figure(day), plotly_js=get_plotlyjs())


def figure(day: Day) -> dict[str, Any]:
    """The plot's data and layout; a gap lies between two drills."""
    shapes, numbers = [], []
    for number, drill in enumerate(day.drills, start=1):
        if drill.injected_at is not None:
            shapes.append(_window(drill))
            numbers.append(_number(number, drill.injected_at))
    axis = {"rangemode": "tozero"}
    return {
        "data": [_trace(day, *series) for series in _SERIES],
        "layout": {
            "height": 720,
            "margin": {"l": 64, "r": 16, "t": 72, "b": 44},
            "hovermode": "x unified",
            "legend": {"orientation": "h", "x": 0, "y": 1.03, "yanchor": "bottom"},
            "xaxis": {"type": "date", "title": {"text": "UTC"}, "anchor": "y3"},
            "yaxis": {**axis, "title": {"text": "events per second"}, "domain": [0.55, 1]},
            "yaxis2": {**axis, "title": {"text": "depth"}, "domain": [0.28, 0.5]},
            "yaxis3": {"title": {"text": "p99, ms"}, "domain": [0, 0.23], "type": "log"},
            "shapes": shapes,
            "annotations": numbers,
        },
    }


def _trace(day: Day, field: str, name: str, axis: str, colour: str, unit: str) -> dict[str, Any]:
    moments: list[str] = []
    values: list[int | None] = []
    drills: list[str] = []
    for drill in day.drills:
        if drill.timeline is None or drill.load_began_at is None or not drill.timeline.get(field):
            continue
        line = _values(drill.timeline, field)
        moments += [_moment(drill.load_began_at + second) for second in range(len(line) + 1)]
        values += [*line, None]
        drills += [drill.name] * (len(line) + 1)
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": moments, "y": values, "yaxis": axis, "text": drills,
        "line": {"color": colour, "width": 1.5}, "hovertemplate": f"%{{y:,}} {unit} (%{{text}})",
    }  # fmt: skip


def _values(line: Mapping[str, Any], field: str) -> list[int | None]:
    """A second without an effect has no p99."""
    values: list[int | None] = list(line[field])
    return [value or None for value in values] if field == "p99_milliseconds" else values


def _window(drill: DrillOfDay) -> dict[str, Any]:
    assert drill.injected_at is not None  # noqa: S101 - asked before
    return {
        "type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "opacity": 0.15,
        "x0": _moment(drill.injected_at), "x1": _moment(drill.cleared_at or drill.injected_at + 1),
        "fillcolor": _COLOURS.get(drill.verdict, "#d97706"), "line": {"width": 0},
    }  # fmt: skip


def _number(number: int, injected_at: float) -> dict[str, Any]:
    return {
        "xref": "x", "yref": "paper", "x": _moment(injected_at), "y": 1, "xanchor": "left", "yanchor": "bottom",
        "showarrow": False, "text": str(number), "font": {"color": "#dc2626", "size": 11},
    }  # fmt: skip


def _moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
