"""Sends millions of rows through a counted batch; measures rows a second and the peak memory of each container.

It sends the same few bodies again and again under new chunk numbers. So it costs little beside what it measures, and it
knows the exact aggregate.
"""

from __future__ import annotations

import re
import resource
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import docker
import httpx
import orjson

from app import contract
from loadtests.driver import open_client
from loadtests.errors import HarnessError
from loadtests.mix.sender import repeat

PATH = "/v1/batches"
#: The example's batch, `app/tasks/meter_totals.py`.
TASK = "meter_totals"
#: The number of different bodies, and of different meters in them.
_BODIES, _METERS = 8, 100
#: For so long a chunk is sent again while the gateway answers 503 because too much waits.
_PATIENCE_SECONDS = 600.0
#: If no chunk is done for so long, the batch has stopped.
_STALLED_SECONDS = 120.0
_SAMPLE_SECONDS = 1.0
_SHOW_SECONDS = 2.0
_MIB = 1024 * 1024
#: What Compose puts behind the name of a service.
_NUMBER = re.compile(r"[-_]1$")
#: Rows of the batches whose memory is compared.
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a batch took."""

    rows: int
    #: Until the last chunk was accepted, and until the aggregate was there.
    sent_seconds: float
    finished_seconds: float
    #: By container, in MiB: the largest of the samples, one a second, without the page cache.
    peak_mib: dict[str, int]

    @property
    def rows_per_second(self) -> int:
        """From the first request to the aggregate."""
        return round(self.rows / self.finished_seconds)


def bodies() -> list[tuple[bytes, int]]:
    """The bodies, each with the sum of its watt hours."""
    made = []
    for number in range(_BODIES):
        rows = [
            {"meter": f"bench-{(number + index) % _METERS}", "watt_hours": (number * 7919 + index * 104729) % 100_000}
            for index in range(contract.REQUEST_MAX_ITEMS)
        ]
        made.append((orjson.dumps(rows), sum(int(str(row["watt_hours"])) for row in rows)))
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Chunks of one batch."""

    sent: int
    done: int
    chunks: int


def run(
    base_url: str,
    ca_file: Path,
    api_key: str,
    *,
    rows: int,
    threads: int,
    containers: str,
    show: Callable[[Progress], object] = lambda _: None,
) -> Run:
    """Send `rows` rows, in thousands, and wait for their aggregate.

    `containers` is a regular expression for the beginning of the names of the containers to measure.

    Raises:
        HarnessError: the aggregate is wrong, or a request was refused for good.
    """
    chunks = max(1, rows // contract.REQUEST_MAX_ITEMS)
    made = bodies()
    expected = {
        "readings": chunks * contract.REQUEST_MAX_ITEMS,
        "watt_hours": sum(made[number % _BODIES][1] for number in range(chunks)),
    }
    with (
        open_client(base_url, ca_file, api_key, connections=threads + 1) as client,
        sampled(containers) as peaks,
        ThreadPoolExecutor(threads) as pool,
    ):
        began = time.monotonic()
        url = str(repeat(client, "POST", PATH, orjson.dumps({"task": TASK}), key=f"rows-{uuid4()}")["status_url"])
        numbers = count()
        stopped = threading.Event()

        def send() -> None:
            # `next` of a count is atomic: each number goes to one thread, and nothing waits in a list.
            while not stopped.is_set() and (number := next(numbers)) < chunks:
                path, body = f"{url}/chunks/{number}", made[number % _BODIES][0]
                repeat(client, "PUT", path, body, patience_seconds=_PATIENCE_SECONDS)

        senders = [pool.submit(send) for _ in range(threads)]
        try:
            while not wait(senders, timeout=_SHOW_SECONDS, return_when=FIRST_EXCEPTION).done >= set(senders):
                show(_progress(client, url, chunks))
                if any(sender.done() and sender.exception() for sender in senders):
                    break
        finally:
            stopped.set()
        for sender in senders:
            sender.result()
        sent_seconds = time.monotonic() - began
        seal = {"chunks": chunks, "rows": expected["readings"]}
        repeat(client, "POST", f"{url}/seal", orjson.dumps(seal), key=f"rows-{uuid4()}")
        aggregate = _aggregate(client, url, chunks, show)
        finished_seconds = time.monotonic() - began
    if aggregate != expected:
        raise HarnessError(f"The aggregate is {aggregate} and must be {expected}.")
    own_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Run(
        rows=expected["readings"], sent_seconds=sent_seconds, finished_seconds=finished_seconds,
        peak_mib={**peaks, "the sender": own_mib},
    )  # fmt: skip


@contextmanager
def sampled(prefix: str) -> Iterator[dict[str, int]]:
    """The peak memory, while the block runs, of containers whose names begin with `prefix`; by the rest of the name."""
    engine = docker.from_env()
    names = {str(one.name): one for one in engine.containers.list()}
    begins = {name: re.match(prefix, name) for name in names}
    found = {_NUMBER.sub("", name[begin.end() :]).strip("-_"): names[name] for name, begin in begins.items() if begin}
    peaks = dict.fromkeys(found, 0)
    ended = threading.Event()

    def sample() -> None:
        while not ended.is_set():
            for name, one in found.items():
                stats: Any = one.stats(stream=False, one_shot=True)
                peaks[name] = max(peaks[name], used_mib(stats))
            ended.wait(_SAMPLE_SECONDS)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def used_mib(stats: dict[str, Any]) -> int:
    """Anonymous and shared memory: cgroup 2 and cgroup 1 call them by different names."""
    of = stats.get("memory_stats", {}).get("stats", {})
    if "anon" in of:
        return int(of["anon"] + of.get("shmem", 0)) // _MIB
    return int(of.get("total_rss", 0) + of.get("total_shmem", 0)) // _MIB


def _progress(client: httpx.Client, url: str, chunks: int) -> Progress:
    told = repeat(client, "GET", url, patience_seconds=_PATIENCE_SECONDS)["chunks"]
    return Progress(sent=told["added"], done=told["done"], chunks=chunks)


def _aggregate(client: httpx.Client, url: str, chunks: int, show: Callable[[Progress], object]) -> dict[str, Any]:
    done = -1
    since = time.monotonic()
    while True:
        batch = repeat(client, "GET", url, patience_seconds=_PATIENCE_SECONDS)
        told = batch["chunks"]
        if batch["state"] == "finished":
            return dict(batch["aggregate"])
        if told["done"] != done:
            done, since = told["done"], time.monotonic()
            show(Progress(sent=told["added"], done=done, chunks=chunks))
        if time.monotonic() - since > _STALLED_SECONDS:
            raise HarnessError(f"The batch makes no progress: {batch}")
        time.sleep(0.2)
