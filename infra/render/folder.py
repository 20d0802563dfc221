"""A folder of rendered files: an index says which are ours, and the next run mends what a killed one left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: First written, last mended: whatever lies there after a kill is in it.
INDEX = ".millrace-render.json"


class FolderError(Exception):
    """The folder is somebody else's; nothing was written."""


@dataclass(frozen=True)
class Written:
    """What a run changed."""

    files: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


def write(folder: Path, files: Mapping[str, str]) -> Written:
    """Make the folder hold exactly these of our files. What others put beside them stays.

    Raises:
        FolderError: the folder has content that no render of ours made.
    """
    before = _ours(folder)
    folder.mkdir(parents=True, exist_ok=True)
    after = set(files)
    _write_index(folder, before | after)
    changed = tuple(name for name in sorted(files) if _write(folder / name, files[name]))
    removed = tuple(name for name in sorted(before - after) if (folder / name).exists())
    for name in before | after:
        _partial(folder / name).unlink(missing_ok=True)
    for name in removed:
        (folder / name).unlink(missing_ok=True)
    _write_index(folder, after)
    return Written(tuple(sorted(files)), changed, removed)


def _ours(folder: Path) -> set[str]:
    if not folder.exists():
        return set()
    if not folder.is_dir():
        raise FolderError(f"{folder} is not a folder; nothing was written")
    index = folder / INDEX
    if not index.exists():
        if any(one != _partial(index) for one in folder.iterdir()):
            raise FolderError(f"{folder} holds files that no render made; name an empty or a new folder")
        return set()
    try:
        names = json.loads(index.read_text())["files"]
        # Only names in the folder itself: an index that somebody changed must not reach outside.
        return {name for name in names if Path(name).name == name and name.endswith(".yaml")}
    except (ValueError, KeyError, TypeError) as error:
        raise FolderError(f"{index} is no index of ours ({error}); remove the folder, or name another") from error


def _write_index(folder: Path, names: set[str]) -> None:
    _write(folder / INDEX, json.dumps({"files": sorted(names)}, indent=1) + "\n")


def _write(path: Path, content: str) -> bool:
    data = content.encode()
    if path.is_file() and path.read_bytes() == data:
        return False
    partial = _partial(path)
    partial.write_bytes(data)
    partial.replace(path)
    return True


def _partial(path: Path) -> Path:
    """Always the same name, so that the next run finds what a kill left."""
    return path.with_name(f".{path.name}.partial")
