"""Folders that are whole or not there."""

from __future__ import annotations

import fcntl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import TextIO

import pytest

from infra.lab.toolchain.cache import cache, digest, made_once


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    """The second time it is only returned."""
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "file").write_text("whole")

    for _ in range(2):
        assert (made_once(tmp_path / "a" / "b", make) / "file").read_text() == "whole"
    assert len(made) == 1


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    """What was half made is gone, and the next try succeeds."""

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        made_once(tmp_path / "tool", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".tool.lock"]
    made_once(tmp_path / "tool", lambda folder: (folder / "whole").touch())
    assert (tmp_path / "tool" / "whole").exists()


def test_two_at_once_make_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second comes to the lock while the first makes it, waits, and takes what the first made."""
    asked: Queue[int] = Queue()
    made: list[int] = []
    lock = fcntl.flock

    def flock(file: TextIO, how: int) -> None:
        asked.put(how)
        lock(file, how)

    def make(_: Path) -> None:
        made.extend(asked.get(timeout=120) for _ in range(2))

    monkeypatch.setattr("infra.lab.toolchain.cache.fcntl.flock", flock)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(made_once, tmp_path / "tool", make) for _ in range(2)]
        assert [run.result(240) for run in runs] == [tmp_path / "tool"] * 2
    assert made == [fcntl.LOCK_EX] * 2


def test_a_digest_knows_where_a_part_ends() -> None:
    """Otherwise text that moves from one file to the next would go unnoticed."""
    assert digest((b"ab", b"c")) != digest((b"a", b"bc"))


def test_the_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A person may keep caches elsewhere."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache() == tmp_path / "millrace"
