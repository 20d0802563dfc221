"""Every manifest against the schema of its kind, as the API server reads it; a kind without a schema is a fault."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from infra.checks import manifests
from infra.checks.finding import CheckError, Finding
from infra.checks.schemas import schema_location
from infra.checks.schemas.sources import KUBERNETES_VERSION
from infra.lab.toolchain import go_tool
from infra.local.progress import Steps

#: Other statuses, such as skipped or one that a later version adds, are no proof that a manifest was checked.
GOOD = "statusValid"


def validate(folder: Path, steps: Steps | None = None) -> tuple[Finding, ...]:
    """What is wrong with the manifests of the folder.

    Raises:
        CheckError: kubeconform did not run.
    """
    files = manifests.files(folder)
    done = subprocess.run(  # noqa: S603 - fixed words
        (
            *(str(go_tool("kubeconform", steps)), "-strict", "-verbose", "-output", "json"),
            *("-kubernetes-version", KUBERNETES_VERSION, "-schema-location", schema_location(steps)),
            *map(str, files),
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        resources = json.loads(done.stdout)["resources"]
    except (ValueError, KeyError) as error:
        raise CheckError(f"kubeconform said no JSON: {done.stdout[:500]} {done.stderr[:500]}") from error
    return tuple(sorted(findings(folder, files, resources)))


def findings(folder: Path, files: Iterable[Path], resources: Iterable[dict[str, Any]]) -> Iterable[Finding]:
    """What kubeconform's answer means: one finding a fault, and one for each file that it did not look at."""
    seen: set[str] = set()
    for resource in resources:
        seen.add(resource["filename"])
        file = str(Path(resource["filename"]).relative_to(folder))
        if resource["status"] == GOOD:
            continue
        faults = resource.get("validationErrors") or [{"path": "", "msg": resource["msg"] or resource["status"]}]
        for fault in faults:
            where, what = fault["path"], fault["msg"]
            yield Finding(file, resource["kind"], resource["name"], "kubeconform", where, what)
    for path in files:
        if str(path) not in seen:
            yield Finding(str(path.relative_to(folder)), "", "", "kubeconform", "", "there is no manifest in it")
