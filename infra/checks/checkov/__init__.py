"""Known mistakes in manifests and in AWS resources, as checkov knows them; this folder locks it as a project."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from infra.checks import manifests, suppressions
from infra.checks.finding import CheckError, Finding
from infra.checks.manifests import Manifest
from infra.lab.toolchain.errors import last_lines
from infra.lab.toolchain.python_project import environment
from infra.local.progress import Steps

PROJECT = Path(__file__).parent
#: checkov has several checks for each of these, so that one which it did not mention was not looked at.
WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"})
#: Nothing is fetched and nothing is sent: checkov brings its checks with it.
OPTIONS = ("--output", "json", "--compact", "--skip-download", "--skip-results-upload")
#: Otherwise a render in `.millrace` would not be read.
ENVIRONMENT = {"CKV_IGNORE_HIDDEN_DIRECTORIES": "False", "LANG": "C.UTF-8"}
#: 1: there are findings. Others mean that it stopped.
FINISHED = (0, 1)


def scan(folder: Path, steps: Steps | None = None) -> tuple[Finding, ...]:
    """What checkov finds in the manifests of the folder, and which suppressions lack a reason.

    Raises:
        CheckError: checkov did not run, or passed over a manifest.
    """
    read, faults = manifests.read(folder)
    ours = (*faults, *(finding for manifest in read for finding in suppressions.findings(manifest)))
    if any(_stops_checkov(manifest) for manifest in read):
        return tuple(sorted(ours))
    report = run(folder, "kubernetes", steps)
    _refuse_if_passed_over(read, report)
    return tuple(sorted({*ours, *findings(read, report)}))


def _stops_checkov(manifest: Manifest) -> bool:
    return any("has an `=` in it" in finding.what for finding in suppressions.findings(manifest))


def run(folder: Path, framework: str, steps: Steps | None) -> dict[str, Any]:
    """Checkov's report on the files of a framework, as it writes it.

    Raises:
        CheckError: it did not run.
    """
    program = environment(PROJECT, "checkov", 10, steps) / "bin" / "checkov"
    # It reads settings from its working folder and the person's home, and keys of a paid service from the environment.
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(  # noqa: S603 - fixed words
            (str(program), "--directory", str(folder.resolve()), "--framework", framework, *OPTIONS),
            cwd=empty,
            env={**ENVIRONMENT, "PATH": os.environ.get("PATH", ""), "HOME": empty},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode not in FINISHED:
        raise CheckError(f"checkov stopped with {done.returncode}:\n{last_lines(done.stderr)}")
    try:
        report = json.loads(done.stdout)
    except ValueError as error:
        raise CheckError(f"checkov said no JSON: {done.stdout[:500]} {done.stderr[:500]}") from error
    if not isinstance(report, dict):
        raise CheckError("checkov reported on several frameworks, and one was asked for")
    return report


def findings(read: Iterable[Manifest], report: dict[str, Any]) -> Iterator[Finding]:
    """The failed checks of a report."""
    by_resource = {resource(manifest): manifest for manifest in read}
    by_file = {manifest.file: manifest for manifest in by_resource.values()}
    for check in report.get("results", {}).get("failed_checks", ()):
        # Checks of how objects belong together speak of a pod that they made up from a template; its file is right.
        file = check["file_path"].lstrip("/")
        manifest = by_resource.get(check["resource"]) or by_file[file]
        yield manifest.finding("checkov", check["check_id"], check["check_name"])


def resource(manifest: Manifest) -> str:
    """What checkov calls it."""
    return f"{manifest.kind}.{manifest.metadata.get('namespace', 'default')}.{manifest.name}"


def _refuse_if_passed_over(read: Iterable[Manifest], report: dict[str, Any]) -> None:
    seen = {
        check["resource"] for checks in report.get("results", {}).values() for check in checks if "resource" in check
    }
    missed = sorted(resource(m) for m in read if m.kind in WORKLOADS and resource(m) not in seen)
    if missed:
        raise CheckError(
            f"checkov passed over {', '.join(missed)}: it did not read them, and nobody knows what it would find"
        )
