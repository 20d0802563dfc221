"""Modules as archives of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.lab.toolchain import GoModule, ToolError, go_module
from tests.unit.infra.lab.toolchain.conftest import FakeGo

MODULE = GoModule("example.org/x", "v1.0.0", "h1:good")


def answer(program: Path, said: str, code: int = 0) -> None:
    """Let `go mod download` say this."""
    program.write_text(
        f"#!/bin/sh\ncase $1 in version) echo go1.99;; mod) echo \"$4\" >&2; echo '{said}'; exit {code};; esac\n"
    )


def test_its_folder_is_returned(fake_go: FakeGo) -> None:
    """Go knows where it unpacked it."""
    answer(fake_go("1.99"), '{"Dir": "/somewhere", "Sum": "h1:good"}')
    assert go_module(MODULE) == Path("/somewhere")


def test_other_files_are_refused(fake_go: FakeGo) -> None:
    """A version that was published anew under the same name."""
    answer(fake_go("1.99"), '{"Dir": "/somewhere", "Sum": "h1:evil"}')
    with pytest.raises(ToolError, match=r"example\.org/x@v1\.0\.0 is not what is pinned: .* h1:evil, not h1:good"):
        go_module(MODULE)


def test_one_that_cannot_be_had(fake_go: FakeGo) -> None:
    """Go's own words are passed on."""
    answer(fake_go("1.99"), '{"Error": "403 Forbidden"}', 1)
    with pytest.raises(ToolError, match=r"(?s)could not be downloaded:.*403 Forbidden"):
        go_module(MODULE)
