"""Whether a supervisor lives is a question about its process, which never depends on how busy the machine is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.lab.devcluster.programs import MARK
from infra.lab.devcluster.supervisor import Supervisor


@contextmanager
def _process(root: Path, configuration: Path) -> Iterator[None]:
    """A process that answers nobody, with this mark and this word in its command."""
    words = (sys.executable, "-c", "print(flush=True); input()", str(configuration))
    with subprocess.Popen(words, env={MARK: str(root)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def test_a_silent_supervisor_lives(tmp_path: Path) -> None:
    """It does not answer, and is not started again."""
    supervisor = Supervisor(tmp_path)
    with _process(tmp_path, tmp_path / "supervisor.ini"):
        assert supervisor.states() == {}
        assert supervisor.lives
    assert not supervisor.lives


@pytest.mark.parametrize("folder", ["node-1", ".."])
def test_anothers_is_another(tmp_path: Path, folder: str) -> None:
    """A node's supervisor carries the cluster's mark, and outlives a cluster's that was killed."""
    with _process(tmp_path, (tmp_path / folder / "supervisor.ini").resolve()):
        assert not Supervisor(tmp_path).lives
