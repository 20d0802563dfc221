"""`python -m infra.checks manifests`, as CI runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.proofs.manifests import good


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    command = (sys.executable, "-m", "infra.checks", "manifests", *words)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_good_manifests(tmp_path: Path) -> None:
    """Exit code 0, and one line."""
    done = run(str(good.write(tmp_path)))
    assert (done.returncode, done.stdout) == (0, "ok  kubeconform and checkov find nothing\n"), done.stderr


def test_findings_of_both(tmp_path: Path) -> None:
    """Exit code 1, and a list for programs on stdout, with nothing else there."""
    good.write(tmp_path)
    good.write(tmp_path, "service", change=lambda service: service["spec"].update(port=1))
    good.write(tmp_path, "deployment", change=lambda d: d["metadata"].update(namespace="default"))
    done = run(str(tmp_path), "--json")
    assert done.returncode == 1
    found = {(one["tool"], one["file"], one["where"]) for one in json.loads(done.stdout)}
    assert found >= {("kubeconform", "service.yaml", "/spec"), ("checkov", "deployment.yaml", "CKV_K8S_21")}
    assert {file for _, file, _ in found} == {"service.yaml", "deployment.yaml"}
