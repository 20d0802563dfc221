"""The pages of runbooks/ as data: sections, and the commands of each for each target."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.local.state import REPOSITORY

SECTIONS = ("Meaning", "Impact", "Diagnosis", "Mitigation", "Verification")
PLACES = {"Compose:": "compose", "Kubernetes:": "kubernetes"}
_FENCE = "```"


@dataclass(frozen=True)
class Command:
    """One command of a page, and where it stands."""

    page: str
    section: str
    #: compose or kubernetes.
    place: str
    text: str

    def __str__(self) -> str:
        """Names the command in the names of tests and in errors."""
        return f"{self.page}, {self.section}: {self.text}"


def pages() -> list[Path]:
    """The pages of runbooks/, sorted by name."""
    return sorted((REPOSITORY / "runbooks").glob("*.md"))


def headings(text: str) -> list[str]:
    """The headings of a page, its title first."""
    return re.findall(r"^#+ (.*)$", _without_blocks(text), re.MULTILINE)


def commands(page: Path) -> Iterator[Command]:
    """Every command of a page.

    Raises:
        AssertionError: a block does not say for which target it is, or is indented, where nobody reads it.
    """
    section, place, inside = "", "", False
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        where = f"{page.name}:{number}"
        if line.startswith(_FENCE):
            inside = not inside
            assert not inside or place, f"{where}: write Compose: or Kubernetes: before the block"
            place = place if inside else ""
        elif inside:
            assert line.strip(), f"{where}: an empty line among commands"
            yield Command(page.stem, section, place, line)
        elif line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.strip():
            assert not line.startswith("    "), f"{where}: commands stand in a block that begins with ```sh"
            place = PLACES.get(line, "")


def _without_blocks(text: str) -> str:
    return re.sub(rf"^{_FENCE}.*?^{_FENCE}$", "", text, flags=re.MULTILINE | re.DOTALL)
