"""The end-to-end tests know a cluster by its kubeconfig only, and must pass on somebody else's.

Drills and load tests import nothing of infra at all: import-linter sees to that.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from infra.render.program import REPOSITORY

_OURS = ("infra.devcluster", "infra.staging")
_FILES = sorted(
    file
    for folder in (*(REPOSITORY / "tests/proofs").glob("e2e*"), REPOSITORY / "tests/harness/kubernetes")
    for file in folder.rglob("*.py")
)


def _imported(source: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
        elif isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
    return names


def _forbidden(source: str) -> set[str]:
    return {name for name in _imported(source) if name.startswith(_OURS)}


@pytest.mark.parametrize("file", _FILES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_no_import_of_the_cluster_that_we_make(file: Path) -> None:
    """What they need to know is in target.json, which anybody can write."""
    assert not _forbidden(file.read_text())


@pytest.mark.parametrize(
    "line", ["import infra.devcluster", "from infra import devcluster", "from infra.staging.place import Place"]
)
def test_it_would_be_seen(line: str) -> None:
    """The check can fail."""
    assert _forbidden(line)
