"""`make connect`: from nothing but the cluster to what load tests and drills need, whoever deployed the stack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from app import contract
from tests.harness.kubernetes.target import REPOSITORY, Target


def test_a_stack_that_somebody_else_deployed_is_reached(target: Target, tmp_path: Path) -> None:
    """Another state of the checkout, without a trace of the deployment: the key that it makes is taken."""
    context = ("--context", target.context) if target.context else ()
    done = subprocess.run(
        (sys.executable, "-m", "infra.lab.staging", "connect", "staging", "--file", target.stack_file, *context),
        cwd=REPOSITORY,
        env=os.environ | {"MILLRACE_STATE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = Target.read(tmp_path / contract.KUBERNETES_TARGET_FILE)
    assert found.api_key != target.api_key
    with found.client() as client:
        assert client.get("/v1/jobs").status_code == 200
