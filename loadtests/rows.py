"""Sends millions of rows through a counted batch; measures rows a second and the peak memory of each container.

It sends the same few bodies again and again under new chunk numbers. So it costs little beside what it measures, and it
knows the exact aggregate.
"""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import docker
import httpx
import orjson

from app import contract
from loadtests.errors import HarnessError

PATH = "/v1/batches"
#: The example's batch, `app/tasks/meter_totals.py`.
TASK = "meter_totals"
#: The number of different bodies, and of different meters in them.
_BODIES, _METERS = 8, 100
#: The gateway refuses with 503 while too much waits; after this time the same chunk is sent again.
_AGAIN_SECONDS = 1.0
_SAMPLE_SECONDS = 1.0
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


def run(base_url: str, ca_file: Path, api_key: str, *, rows: int, threads: int, containers: str) -> Run:
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
    with _client(base_url, ca_file, api_key, threads) as client, sampled(containers) as peaks:
        began = time.monotonic()
        url = str(_sent(client, "POST", PATH, orjson.dumps({"task": TASK}))["status_url"])
        numbers = iter(range(chunks))
        lock = threading.Lock()

        def send() -> None:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                _sent(client, "PUT", f"{url}/chunks/{number}", made[number % _BODIES][0])

        with ThreadPoolExecutor(threads) as pool:
            for sender in [pool.submit(send) for _ in range(threads)]:
                sender.result()
        sent_seconds = time.monotonic() - began
        _sent(client, "POST", f"{url}/seal", orjson.dumps({"chunks": chunks, "rows": expected["readings"]}))
        aggregate = _aggregate(client, url)
        finished_seconds = time.monotonic() - began
    if aggregate != expected:
        raise HarnessError(f"The aggregate is {aggregate} and must be {expected}.")
    return Run(
        rows=expected["readings"], sent_seconds=sent_seconds, finished_seconds=finished_seconds, peak_mib=dict(peaks)
    )


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
                peaks[name] = max(peaks[name], _used_mib(stats))
            ended.wait(_SAMPLE_SECONDS)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def _used_mib(stats: dict[str, Any]) -> int:
    """Anonymous and shared memory: cgroup 2 and cgroup 1 call them by different names."""
    of = stats.get("memory_stats", {}).get("stats", {})
    if "anon" in of:
        return int(of["anon"] + of.get("shmem", 0)) // _MIB
    return int(of.get("total_rss", 0) + of.get("total_shmem", 0)) // _MIB


def _client(base_url: str, ca_file: Path, api_key: str, connections: int) -> httpx.Client:
    return httpx.Client(
        base_url=base_url,
        verify=ssl.create_default_context(cafile=str(ca_file)),
        headers={contract.HEADER_API_KEY: api_key, "Content-Type": "application/json"},
        limits=httpx.Limits(max_connections=connections),
        timeout=30,
        trust_env=False,
    )


def _sent(client: httpx.Client, method: str, url: str, body: bytes) -> dict[str, Any]:
    """The answer. A 429 or 503 is repeated, at most 600 times."""
    for attempt in count(1):
        answer = client.request(method, url, content=body)
        if answer.status_code not in {429, 503} or attempt > 600:
            break
        time.sleep(_AGAIN_SECONDS)
    if answer.is_error:
        raise HarnessError(f"{method} {url}: {answer.status_code} {answer.text[:300]}")
    return dict(answer.json())


def _aggregate(client: httpx.Client, url: str) -> dict[str, Any]:
    done = -1
    since = time.monotonic()
    while True:
        batch = client.get(url).raise_for_status().json()
        if batch["state"] == "finished":
            return dict(batch["aggregate"])
        if batch["chunks"]["done"] != done:
            done, since = batch["chunks"]["done"], time.monotonic()
        if time.monotonic() - since > 120:
            raise HarnessError(f"The batch makes no progress: {batch}")
        time.sleep(0.2)
