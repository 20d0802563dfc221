"""The pages of docs/patterns: short, and their code is the real files'."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.local.state import REPOSITORY

FOLDER = REPOSITORY / "docs" / "patterns"
PAGES = sorted(FOLDER.glob("*.md"))
#: A fenced block that names the file it is from.
_BLOCK = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_short(page: Path) -> None:
    """Eighty lines."""
    assert len(page.read_text().splitlines()) <= 80


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "README.md"], ids=lambda page: page.name)
def test_its_code_is_the_files(page: Path) -> None:
    """Every block stands in the file that it names, as it is; that file is short enough to copy."""
    blocks = _BLOCK.findall(page.read_text())
    assert blocks
    for name, text in blocks:
        file = (REPOSITORY / name).read_text()
        assert text in file, f"{name} does not have\n{text}"
        assert len(file.splitlines()) <= 150


def test_the_index_names_every_page() -> None:
    """And nothing that is not there."""
    named = set(re.findall(r"\]\(([a-z-]+\.md)\)", (FOLDER / "README.md").read_text()))
    assert named == {page.name for page in PAGES} - {"README.md"}
