"""A small open-loop driver without Locust, for tests: threads, one HTTP client, the same ledger."""

from __future__ import annotations

import ssl
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from app import contract
from loadtests.feed import Answer, Feed, Request, plan_requests, read_answer, send_one
from loadtests.ledger import Ledger
from loadtests.schedule import Schedule
from loadtests.source import EventSource, GeneratedEvents

#: The gateway answers within 5 s; on a busy machine the way to it takes longer. After this the outcome is unknown.
REQUEST_TIMEOUT_SECONDS = 30.0
#: From the call to the first request: time for connections and the first fsync.
START_DELAY_SECONDS = 1.0


@dataclass(kw_only=True)
class Drive:
    """A load that is running in the background. `stop` ends it early, `join` waits for its end."""

    started_at: float
    feed: Feed
    threads: list[threading.Thread]
    client: httpx.Client
    _joined: bool = field(default=False)

    def stop(self) -> None:
        """Plan no more requests, then wait for those under way."""
        self.feed.stop()
        self.join()

    def join(self) -> None:
        """Wait until every request has its outcome.

        Raises:
            BaseException: what stopped the feed, for instance a full disk under the ledger.
        """
        for thread in self.threads:
            thread.join()
        self.client.close()
        if self.feed.failure is not None:
            raise self.feed.failure

    def __enter__(self) -> Self:
        """The body of the `with` is the fault; leaving it waits for the load."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the load, or cut it short when the body failed."""
        if error is None:
            self.join()
        else:
            self.stop()


def start(
    base_url: str,
    ca_file: Path,
    api_key: str,
    ledger: Ledger,
    schedule: Schedule,
    *,
    source: EventSource | None = None,
    threads: int = 32,
) -> Drive:
    """Begin to send the schedule's load to `POST {base_url}/v1/events`; see `drive`."""
    client = open_client(base_url, ca_file, api_key, connections=threads)
    started_at = time.time() + START_DELAY_SECONDS
    requests = plan_requests(
        schedule.slots(), source or GeneratedEvents(run=ledger.run), run=ledger.run, started_at=started_at
    )
    feed = Feed(requests, ledger)
    feed.start()

    def send() -> None:
        while (request := feed.take()) is not None:
            send_one(request, ledger, partial(post, client))

    workers = [threading.Thread(target=send, name=f"driver-{number}", daemon=True) for number in range(threads)]
    for worker in workers:
        worker.start()
    return Drive(started_at=started_at, feed=feed, threads=workers, client=client)


def open_client(base_url: str, ca_file: Path, api_key: str, *, connections: int) -> httpx.Client:
    """A client of the gateway for so many threads."""
    # A keep-alive shorter than the server's (5 s): else the server closes a connection in our hands, and an answer is
    # unknown that need not be.
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=3.0)
    return httpx.Client(
        base_url=base_url,
        verify=ssl.create_default_context(cafile=str(ca_file)),
        headers={contract.HEADER_API_KEY: api_key, "Content-Type": "application/json"},
        timeout=REQUEST_TIMEOUT_SECONDS,
        limits=limits,
        trust_env=False,
    )


def post(client: httpx.Client, request: Request) -> Answer:
    """Send one request and read its answer."""
    response = client.post(
        "/v1/events", content=request.body, headers={contract.HEADER_IDEMPOTENCY_KEY: request.intent.request_id}
    )
    return read_answer(response.status_code, response.content)


def drive(
    base_url: str,
    ca_file: Path,
    api_key: str,
    ledger: Ledger,
    schedule: Schedule,
    *,
    source: EventSource | None = None,
    threads: int = 32,
) -> None:
    """Send the schedule's load and wait for its end. Threads bound the requests under way (rate x slowest answer)."""
    start(base_url, ca_file, api_key, ledger, schedule, source=source, threads=threads).join()
