"""Metrics of children that died: counted for ever, in a file that does not grow with them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from prometheus_client import CollectorRegistry

from app.telemetry.metrics_files import SteadyCollector, fold_dead

CHILD = """
import sys
from prometheus_client import Counter, Gauge, Histogram
counter = Counter("tasks", "Tasks", ["queue"])
seconds = Histogram("run", "Seconds", ["queue"], buckets=[1, 2])
living = Gauge("living", "Living", multiprocess_mode="livesum")
for _ in range(3):
    counter.labels("bulk").inc()
    seconds.labels("bulk").observe(1.5)
living.inc()
print("ready", flush=True)
sys.stdin.read()
"""


class Child:
    """A process that counts 3 and lives until it is killed."""

    def __init__(self, folder: Path) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def counted(self) -> Child:
        """Wait until it has."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def kill(self) -> None:
        """Give it no chance to clean up."""
        self._process.kill()
        self._process.communicate()


def samples(folder: Path) -> dict[str, float]:
    """What a scrape would say."""
    registry = CollectorRegistry()
    SteadyCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]  # the library's
    return {
        f"{sample.name}{sample.labels.get('le', '')}": sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }


def test_files_of_dead_children_become_one(tmp_path: Path) -> None:
    """BR-20: the sums stay what they were, also for a scrape meanwhile; a living child's file is left alone."""
    children = [Child(tmp_path) for _ in range(4)]
    for child in children:
        child.counted()
    expected = {"tasks_total": 12.0, "run_bucket1.0": 0.0, "run_bucket2.0": 12.0, "run_bucket+Inf": 12.0}
    expected |= {"run_sum": 18.0, "run_count": 12.0}
    seen: list[float] = []
    over = threading.Event()

    def scrape() -> None:
        while not over.is_set():
            seen.append(samples(tmp_path)["tasks_total"])

    scraper = threading.Thread(target=scrape)
    scraper.start()
    try:
        for child in children[:3]:
            child.kill()
            fold_dead(tmp_path)
        (tmp_path / "counter_999999999.db").touch()  # of a child that was killed before it wrote
        after = samples_after_folding(tmp_path)
    finally:
        over.set()
        scraper.join()
        children[3].kill()

    assert after == expected | {"living": 1.0}
    assert seen
    assert set(seen) == {12.0}
    fold_dead(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["counter_dead.db", "histogram_dead.db"]
    assert samples(tmp_path) == expected


def samples_after_folding(folder: Path) -> dict[str, float]:
    """Three died, one lives: 3 files of its own and the 2 sums."""
    fold_dead(folder)
    assert len(list(folder.iterdir())) == 5
    return samples(folder)


def test_a_file_that_is_still_empty_fails_no_scrape(tmp_path: Path) -> None:
    """A child that was killed before it wrote, or has only begun to."""
    (tmp_path / "counter_1.db").touch()

    assert samples(tmp_path) == {}
