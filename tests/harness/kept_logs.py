"""Keeps the logs of a red test's servers: a folder a test, named in the last line of its failure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.local.state import State


def folder_of(test: str) -> Path:
    """The test's own folder, by its id."""
    return State.default().logs / "tests" / re.sub(r"[^\w.-]+", "-", test.removeprefix("tests/")).strip("-")


def name_in(report: pytest.TestReport, folder: Path) -> None:
    """Say where the logs are; what is added last is printed last."""
    report.sections.append(("logs", str(folder)))
