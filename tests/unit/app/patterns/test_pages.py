"""The pages of docs/patterns are short and show the code of real files, which are short, too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.local.state import REPOSITORY

PAGES = sorted((REPOSITORY / "docs" / "patterns").glob("*.md"))
#: A block of code that names its file: ```python app/tasks/meter_totals.py
_BLOCK = re.compile(r"^```python (?P<path>\S+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_PAGE_LINES, _FILE_LINES = 80, 150


def _files(page: Path) -> list[tuple[Path, str]]:
    return [(REPOSITORY / found["path"], found["code"]) for found in _BLOCK.finditer(page.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_short_and_its_code_is_the_files(page: Path) -> None:
    """Each block is in its file, literally; `…` stands for lines that are left out."""
    assert len(page.read_text().splitlines()) <= _PAGE_LINES
    for path, code in _files(page):
        text = path.read_text()
        assert len(text.splitlines()) < _FILE_LINES, path
        at = 0
        for part in code.split("…\n"):
            assert part.strip("\n") in text[at:], f"{page.name}: this is not in {path}, or not in this order:\n{part}"
            at += text[at:].index(part.strip("\n"))
    if page.name != "README.md":
        assert _files(page), f"{page.name} shows no file"
        assert f"]({page.name})" in (page.parent / "README.md").read_text(), "it is not in the index"
