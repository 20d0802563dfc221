"""A page of the documentation, taken apart into what its reader does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

#: A fenced block: its language, the file it belongs to if it names one, and its text.
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Page:
    """Its files, and its commands in their order."""

    files: dict[str, str]
    commands: tuple[str, ...]


def read(path: Path, *only: str) -> Page:
    """The blocks of a page; of the files only these, if some are named."""
    blocks = _BLOCK.findall(path.read_text())
    return Page(
        files={file: text for _, file, text in blocks if file and (not only or file in only)},
        commands=tuple(text for language, file, text in blocks if language == "sh" and not file),
    )


def write(page: Page, tree: Path) -> None:
    """Do as the page says: a new file is written, one that is there gets the block at its end."""
    for name, text in page.files.items():
        file = tree / name
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_text() + "\n" if file.exists() else ""
        file.write_text(before + text)
