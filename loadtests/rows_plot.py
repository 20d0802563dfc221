"""Results of batches of several sizes: a table in Markdown, and the memory of each container as a drawing (SVG)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import log10

from loadtests.rows import Run

_WIDTH, _HEIGHT, _LEFT, _TOP, _PLOT_WIDTH, _PLOT_HEIGHT = 890, 420, 60, 40, 560, 330
_COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e")
_HEAD = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif"
 font-size="13">"""


def table(runs: Sequence[Run]) -> str:
    """A Markdown table with a column for each run."""
    names = sorted({name for run in runs for name in run.peak_mib})
    lines = [
        ("", [f"{run.rows:,} rows" for run in runs]),
        ("---", ["--:"] * len(runs)),
        ("rows a second", [f"{run.rows_per_second:,}" for run in runs]),
        ("until all were accepted, s", [f"{run.sent_seconds:,.0f}" for run in runs]),
        ("until the aggregate, s", [f"{run.finished_seconds:,.0f}" for run in runs]),
        *((f"`{name}`, MiB", [str(run.peak_mib.get(name, "")) for run in runs]) for name in names),
    ]
    return "\n".join(f"| {first} | {' | '.join(rest)} |" for first, rest in lines) + "\n"


def drawing(runs: Sequence[Run]) -> str:
    """An SVG of peak memory over the number of rows (logarithmic), with a line for each container."""
    first, last = log10(min(run.rows for run in runs)), log10(max(run.rows for run in runs))
    highest = max(max(run.peak_mib.values()) for run in runs) or 1

    def x(run: Run) -> float:
        return _LEFT + _PLOT_WIDTH * (log10(run.rows) - first) / ((last - first) or 1)

    def y(mib: float) -> float:
        return _TOP + _PLOT_HEIGHT * (1 - mib / highest)

    bottom, right = _TOP + _PLOT_HEIGHT, _LEFT + _PLOT_WIDTH
    parts = [
        _HEAD,
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-weight="bold">Peak memory of each container (MiB) by rows in the batch</text>',
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="#888"/>',
    ]
    parts += [f'<text x="{x(run):.0f}" y="{bottom + 20}" text-anchor="middle">{run.rows:,}</text>' for run in runs]
    for share in (0.25, 0.5, 0.75, 1.0):
        level = y(highest * share)
        parts.append(f'<path d="M{_LEFT} {level:.1f}H{right}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{level + 4:.1f}" text-anchor="end">{highest * share:.0f}</text>')
    by_last = sorted(runs[-1].peak_mib, key=lambda name: -runs[-1].peak_mib[name])
    for index, name in enumerate(by_last):
        colour = _COLOURS[index % len(_COLOURS)]
        known = [run for run in runs if name in run.peak_mib]
        points = " ".join(f"{x(run):.1f},{y(run.peak_mib[name]):.1f}" for run in known)
        label_y = _TOP + 10 + 20 * index
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<rect x="{right + 50}" y="{label_y - 9}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{right + 68}" y="{label_y + 2}">{escape(name)}: {runs[-1].peak_mib[name]} MiB</text>')
    return "\n".join([*parts, "</svg>\n"])
