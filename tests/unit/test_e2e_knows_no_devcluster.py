"""The end-to-end tests know a cluster by its kubeconfig only, and must pass on somebody else's.

Drills and load tests import nothing of infra at all: import-linter sees to that.
"""

from __future__ import annotations

import ast

from infra.render.program import REPOSITORY

_OURS = ("infra.lab.devcluster", "infra.lab.staging")
#: It runs Pulumi as `make staging` does, on the cluster of any context.
_DEPLOYS = "deployment.py"
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


def test_no_import_of_the_cluster_that_we_make() -> None:
    """What they need to know is in target.json, which anybody can write."""
    imported = {(file.name, name) for file in _FILES for name in _imported(file.read_text())}

    assert imported
    found = [each for each in imported if each[1].startswith(_OURS)]
    assert not [(file, name) for file, name in found if file != _DEPLOYS or name.startswith("infra.lab.devcluster")]
