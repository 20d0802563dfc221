"""The pages of docs/ and the README as data: commands, settings, links, and paths that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.local.state import REPOSITORY

#: What a command begins with. `python` stands for the environment's own.
PROGRAMS = ("make", ".venv/bin/python", "python", "pulumi", "kubectl", "docker", "locust", ".venv/bin/locust", "cd")
_INDENT = "    "
_CODE = re.compile(r"`([^`\n]+)`")
#: `queues.toml` is no setting.
_FILES = (".toml", ".yaml", ".json", ".md", ".py")
_FOLDERS = ("app", "infra", "docs", "tests", "runbooks", "loadtests", "chaos", "examples")


@dataclass(frozen=True)
class Piece:
    """Something that a page names, and where."""

    page: Path
    text: str

    def __str__(self) -> str:
        """Names it in errors."""
        return f"{self.page.relative_to(REPOSITORY)}: {self.text}"


def pages() -> list[Path]:
    """All that a reader is sent to. Decisions are left out: what they name may be gone."""
    found = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").rglob("*.md")]
    return sorted(page for page in found if "adr" not in page.parts)


def commands(page: Path) -> Iterator[Piece]:
    """Each command by itself, in blocks and within sentences, without what explains it."""
    for line in _lines(page):
        candidates = [line.strip()] if line.startswith(_INDENT) else _CODE.findall(line)
        for candidate in candidates:
            if candidate.split(" ")[0] not in PROGRAMS:
                continue
            first, *others = re.split(r" && | \| |; ", re.split(r"\s{2,}|\s#\s", candidate)[0])
            yield Piece(page, first)
            # `make up | down` are two targets.
            yield from (Piece(page, one if one.split(" ")[0] in PROGRAMS else f"make {one}") for one in others)


def settings(page: Path) -> Iterator[Piece]:
    """Each setting of a stack, as a dotted path: those within sentences and those of blocks of YAML."""
    for code in _CODE.findall(page.read_text()):
        if re.fullmatch(r"millrace:[\w.]+|[a-z]\w*(\.[\w*]+)+", code) and not code.endswith(_FILES):
            yield Piece(page, code.removeprefix("millrace:"))
    for block in re.findall(r"(?:^ {4}.*\n)+", page.read_text(), re.MULTILINE):
        if block.startswith(f"{_INDENT}millrace:"):
            for line in re.split(r"^ {4}(?=millrace:)", block, flags=re.MULTILINE)[1:]:
                yield from (Piece(page, path.removeprefix("millrace:")) for path in _paths(yaml.safe_load(line)))


def links(page: Path) -> Iterator[Piece]:
    """Each link to another page, with its anchor."""
    text = page.read_text()
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    yield from (Piece(page, link) for link in found if "://" not in link)


def paths(page: Path) -> Iterator[Piece]:
    """Each file or folder of the repository, named in a sentence."""
    for code in _CODE.findall(page.read_text()):
        path = code.partition("::")[0]
        if re.fullmatch(rf"({'|'.join(_FOLDERS)})/[\w./-]*", path):
            yield Piece(page, path)


def anchors(page: Path) -> set[str]:
    """What links to a page may name after `#`, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _lines(page: Path) -> list[str]:
    return re.sub(r" \\\n\s*", " ", page.read_text()).splitlines()


def _paths(value: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield f"{prefix}{key}"
            yield from _paths(inner, f"{prefix}{key}.")
