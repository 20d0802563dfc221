"""The drawing of the soak is valid, and marks each lost child."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from tests.soaks.memory_plot import Sample, drawing

_SVG = "{http://www.w3.org/2000/svg}"


def test_a_line_a_worker_and_a_mark_a_crash() -> None:
    """A soak of ten minutes, in which one worker lost two children."""
    kept = [Sample(seconds=second, mib=100, crashes=0) for second in range(0, 600, 2)]
    lost = [Sample(seconds=second, mib=second % 300, crashes=second // 250) for second in range(0, 600, 2)]
    root = ET.fromstring(drawing({"replaced": kept, "never <replaced>": lost}, limit_mib=320))  # noqa: S314 - our own
    assert len(root.findall(f"{_SVG}polyline")) == 2
    assert len(root.findall(f"{_SVG}circle")) == 2
    texts = [text.text for text in root.findall(f"{_SVG}text")]
    assert "never <replaced>: 2 children lost (●)" in texts
