"""A rendered folder holds what the last render made, whatever befell the one before; files of others stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.render import folder
from infra.render.folder import INDEX, FolderError

ONE, TWO = {"00-a.yaml": "a\n", "01-b.yaml": "b\n"}, {"00-a.yaml": "a\n", "02-c.yaml": "c\n"}


def _content(path: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in path.iterdir() if file.name != INDEX}


def test_the_folder_holds_the_last_render(tmp_path: Path) -> None:
    """And it is said what changed."""
    out = tmp_path / "deep" / "out"
    assert folder.write(out, ONE).changed == ("00-a.yaml", "01-b.yaml")
    assert folder.write(out, ONE) == folder.Written(("00-a.yaml", "01-b.yaml"), (), ())
    assert folder.write(out, TWO) == folder.Written(("00-a.yaml", "02-c.yaml"), ("02-c.yaml",), ("01-b.yaml",))
    assert _content(out) == TWO


def test_a_folder_of_others_is_refused_and_not_touched(tmp_path: Path) -> None:
    """Also one that only looks like manifests."""
    (tmp_path / "00-a.yaml").write_text("mine")
    with pytest.raises(FolderError, match="no render made"):
        folder.write(tmp_path, ONE)
    assert _content(tmp_path) == {"00-a.yaml": "mine"}
    with pytest.raises(FolderError, match="not a folder"):
        folder.write(tmp_path / "00-a.yaml", ONE)


def test_files_that_others_put_beside_ours_stay(tmp_path: Path) -> None:
    """Such as a kustomization."""
    folder.write(tmp_path, ONE)
    (tmp_path / "kustomization.yaml").write_text("mine")
    folder.write(tmp_path, TWO)
    assert _content(tmp_path) == TWO | {"kustomization.yaml": "mine"}


@pytest.mark.parametrize("index", ["not JSON", "[]", "{}"])
def test_an_index_that_is_not_ours_is_refused(tmp_path: Path, index: str) -> None:
    """Nothing is removed by it."""
    (tmp_path / INDEX).write_text(index)
    with pytest.raises(FolderError, match="no index of ours"):
        folder.write(tmp_path, ONE)


def test_an_index_does_not_reach_outside_its_folder(tmp_path: Path) -> None:
    """Whatever it says."""
    out, outside = tmp_path / "out", tmp_path / "precious.yaml"
    outside.write_text("mine")
    folder.write(out, ONE)
    (out / INDEX).write_text('{"files": ["../precious.yaml", "/etc/precious.yaml"]}')
    folder.write(out, TWO)
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("at", range(8))
def test_a_run_that_is_killed_anywhere_is_mended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """At each write and each rename of a second render."""
    folder.write(tmp_path, ONE)
    calls = iter(range(100))

    def dies(real: object) -> object:
        def call(*arguments: object) -> object:
            if next(calls) == at:
                raise KeyboardInterrupt
            return real(*arguments)  # type: ignore[operator]

        return call

    with monkeypatch.context() as patched:
        for name in ("write_bytes", "replace"):
            patched.setattr(Path, name, dies(getattr(Path, name)))
        try:
            folder.write(tmp_path, TWO | {"03-d.yaml": "d\n"})
        except KeyboardInterrupt:
            pass
        else:
            pytest.fail(f"there is no step {at}") if at < 8 else None
    folder.write(tmp_path, TWO)
    assert _content(tmp_path) == TWO
