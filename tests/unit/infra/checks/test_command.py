"""What `python -m infra.checks` says and with which code it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.checks import __main__ as command
from infra.checks.finding import Finding

FINDING = Finding(
    "a.yaml", "Service", "gateway", "kubeconform", "/spec", "additional properties [red]port[/] not allowed"
)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Timings go to a folder of the test's own."""
    monkeypatch.setenv("MILLRACE_STATE_DIR", str(tmp_path / "state"))


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Its exit code."""
    monkeypatch.setattr("sys.argv", ["infra.checks", *words])
    with pytest.raises(SystemExit) as ended:
        command.main()
    return int(ended.value.code or 0)


def test_findings_are_a_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a pipe it is not folded, and text in brackets is text."""
    monkeypatch.setattr(command, "check", lambda *_: (FINDING,))
    assert run(monkeypatch, "manifests", str(tmp_path)) == 1
    said = capsys.readouterr().out
    for cell in ("a.yaml", "Service", "gateway", "kubeconform /spec", "additional properties [red]port[/] not allowed"):
        assert cell in said


def test_an_empty_folder_is_no_success(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and what to do: nothing was checked."""
    assert run(monkeypatch, "manifests", str(tmp_path)) == 2
    assert "render the manifests first" in capsys.readouterr().err
