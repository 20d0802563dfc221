"""The soak of memory as a drawing (SVG): a line for each worker, and a mark for each child that it lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

_WIDTH, _HEIGHT, _LEFT, _TOP, _PLOT_WIDTH, _PLOT_HEIGHT = 860, 400, 60, 66, 770, 280
_COLOURS = ("#3ca951", "#ff725c")
_HEAD = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif"
 font-size="13">"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A worker's container at a moment: memory without the page cache, and the children lost until then."""

    seconds: float
    mib: int
    crashes: int


def drawing(workers: Mapping[str, Sequence[Sample]], *, limit_mib: int) -> str:
    """Draw each worker's memory over time."""
    last = max(sample.seconds for samples in workers.values() for sample in samples) or 1
    highest = limit_mib * 1.1
    bottom, right = _TOP + _PLOT_HEIGHT, _LEFT + _PLOT_WIDTH

    def x(seconds: float) -> float:
        return _LEFT + _PLOT_WIDTH * seconds / last

    def y(mib: float) -> float:
        return _TOP + _PLOT_HEIGHT * (1 - mib / highest)

    parts = [
        _HEAD,
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-weight="bold">Memory of two workers whose tasks leak (MiB), by minutes</text>',
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="#888"/>',
        f'<path d="M{_LEFT} {y(limit_mib):.1f}H{right}" stroke="#888" stroke-dasharray="6 4"/>',
        f'<text x="{right}" y="{y(limit_mib) - 6:.1f}" text-anchor="end">limit: {limit_mib} MiB</text>',
    ]
    parts += [
        f'<text x="{_LEFT - 8}" y="{y(level) + 4:.1f}" text-anchor="end">{level}</text>'
        for level in range(0, limit_mib + 1, 80)
    ]
    step = max(60, round(last / 10 / 60) * 60)
    parts += [
        f'<text x="{x(seconds):.1f}" y="{bottom + 20}" text-anchor="middle">{seconds // 60}</text>'
        for seconds in range(0, int(last) + 1, step)
    ]
    for index, (title, samples) in enumerate(workers.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        points = " ".join(f"{x(one.seconds):.1f},{y(one.mib):.1f}" for one in samples)
        lost = [after for before, after in pairwise(samples) if after.crashes > before.crashes]
        left = _LEFT + 380 * index
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{x(one.seconds):.1f}" cy="{bottom - 6}" r="4" fill="{colour}"/>' for one in lost]
        parts.append(f'<rect x="{left}" y="35" width="12" height="12" fill="{colour}"/>')
        crashes = samples[-1].crashes if samples else 0
        parts.append(f'<text x="{left + 18}" y="46">{escape(title)}: {crashes} children lost (●)</text>')
    return "\n".join([*parts, "</svg>\n"])
