"""mypy reads the services of AWS that are imported, and no others: all of them would cost a minute and 2.4 GB."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
#: Not services: what every service needs.
NEEDED = {"_enums", "_inputs", "_utilities", "config", "provider"}


def _imported() -> set[str]:
    found = set()
    for file in (ROOT / "infra").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "pulumi_aws":
                rest = (node.module or "").split(".")[1:2]
                found |= set(rest) or {name.name for name in node.names}
    return found


def test_mypy_reads_what_is_imported() -> None:
    """A service that is not listed is Any for mypy, so that nothing in it is checked."""
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["overrides"]
    [listed] = [set(one["module"]) for one in overrides if "pulumi_aws" in one["module"]]
    services = {name.split(".")[1] for name in listed if "." in name} - NEEDED
    assert services == _imported()
    assert {f"pulumi_aws.{service}" for service in services} <= listed
    assert {f"pulumi_aws.{service}.*" for service in services} <= listed
