"""The manifests of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.checks import manifests
from infra.checks.finding import CheckError


def test_documents_are_read_with_their_file(tmp_path: Path) -> None:
    """In folders too, and several a file."""
    (tmp_path / "10-a").mkdir()
    (tmp_path / "10-a" / "x.yaml").write_text("---\nkind: A\nmetadata: {name: a}\n---\nkind: B\n")
    read, findings = manifests.read(tmp_path)
    assert [(one.file, one.kind, one.name) for one in read] == [("10-a/x.yaml", "A", "a"), ("10-a/x.yaml", "B", "")]
    assert findings == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a: [b", "while parsing"), ("", "there is no manifest in it"), ("- a", "this is no mapping")],
)
def test_a_file_without_a_manifest_is_a_finding(tmp_path: Path, text: str, expected: str) -> None:
    """Checkov passes over all of these without a word."""
    (tmp_path / "x.yaml").write_text(text)
    read, (finding,) = manifests.read(tmp_path)
    assert read == ()
    assert finding.file == "x.yaml"
    assert expected in finding.what


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """Nothing checked is not nothing found."""
    with pytest.raises(CheckError, match="render the manifests first"):
        manifests.files(tmp_path)
