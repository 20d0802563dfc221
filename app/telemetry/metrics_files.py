"""The metrics files of a prefork worker's children: those of dead ones are added up into one a kind.

A child leaves its counters behind when it is recycled, and must, because their sum never falls. But each is a file of
64 KiB in a tmpfs that counts as memory, which each scrape reads (BR-20).
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

#: What adds up. The worker has no gauges; of a dead child's, the library itself removes those that mean the living.
_KINDS = ("counter", "histogram", "summary")
_DEAD = "dead"
#: Between "the sum is written" and "the files are gone" a reader would count them twice. All readers and writers of the
#: sum are threads of the worker's main process.
_lock = threading.Lock()


class SteadyCollector(MultiProcessCollector):
    """The library's collector, which waits while files are being folded, and reads no empty file.

    A child makes its file empty first, and leaves it so when it is killed just then. The library fails on it.
    """

    def collect(self) -> Iterable[Metric]:
        """Read all files."""
        with _lock:
            files = [str(file) for file in Path(self._path).glob("*.db") if file.stat().st_size]
            return list(self.merge(files, accumulate=True))  # type: ignore[no-untyped-call]


def fold_dead(folder: Path) -> None:
    """Add the files of dead processes to the sum of the dead, and remove them."""
    with _lock:
        pids = {file.stem.rpartition("_")[2] for file in folder.glob("*.db")}
        dead = sorted(pid for pid in pids if pid.isdigit() and not _lives(int(pid)))
        for pid in dead:
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
        for kind in _KINDS:
            _fold(folder / f"{kind}_{_DEAD}.db", [folder / f"{kind}_{pid}.db" for pid in dead])


def _fold(sum_file: Path, files: Sequence[Path]) -> None:
    files = [file for file in files if file.exists()]
    if not files:
        return
    values: defaultdict[str, float] = defaultdict(float)
    for file in (sum_file, *files):
        if file.exists() and file.stat().st_size:  # a child that was killed at once leaves an empty one
            for key, value, *_ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
                values[key] += value
    unfinished = sum_file.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    target = MmapedDict(str(unfinished))  # type: ignore[no-untyped-call]
    for key, value in values.items():
        target.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    target.close()  # type: ignore[no-untyped-call]
    unfinished.replace(sum_file)
    for file in files:
        file.unlink()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's process, so there is one
    return True
