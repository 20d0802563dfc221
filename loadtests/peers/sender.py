"""Sends events as fast as they are answered or on a schedule, and notes what was accepted and when it was due."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import gevent
import gevent.pool
import gevent.ssl
from geventhttpclient import HTTPClient

from loadtests.bodies import EVENTS_PATH, events_body
from loadtests.history import Effect, Kind
from loadtests.source import EventSource

_TIMEOUT_SECONDS = 10.0
_ACCEPTED = 202


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where events are sent to."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: Path | None = None
    events_a_request: int = 1


@dataclass(slots=True, kw_only=True)
class Sent:
    """What became of a phase's requests."""

    #: When each accepted event was sent, or at a fixed rate due, in Unix seconds.
    accepted: dict[str, float] = field(default_factory=dict)
    refused: int = 0


def closed_loop(address: Address, source: EventSource, *, connections: int, seconds: float) -> Sent:
    """Each connection sends its next request when the last one was answered."""
    sent, events = Sent(), iter(source)
    ends_at = time.time() + seconds
    with _Client(address, connections) as client:

        def send_until_the_end() -> None:
            while time.time() < ends_at:
                client.post(events, time.time(), sent)

        gevent.joinall([gevent.spawn(send_until_the_end) for _ in range(connections)], raise_error=True)
    return sent


def paced(address: Address, source: EventSource, *, rate: float, seconds: float) -> Sent:
    """Requests leave on schedule, whatever became of the ones before."""
    sent, events = Sent(), iter(source)
    began_at = time.time()
    connections = gevent.pool.Pool(64)
    with _Client(address, 64) as client:
        for number in range(round(rate * seconds)):
            due_at = began_at + number / rate
            gevent.sleep(max(0.0, due_at - time.time()))
            connections.spawn(client.post, events, due_at, sent)
        connections.join(raise_error=True)
    return sent


def _trusting(ca_file: Path | None) -> gevent.ssl.SSLContext:
    """A context of gevent's: with a standard one, all connections wait while one waits."""
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca_file)
    return context


class _Client:
    def __init__(self, address: Address, connections: int) -> None:
        parts = urlsplit(address.url)
        self._address = address
        self._kind = Kind.SINGLE if address.events_a_request == 1 else Kind.LIST
        self._http = HTTPClient(
            str(parts.hostname),
            parts.port,
            ssl=parts.scheme == "https",
            ssl_context_factory=lambda: _trusting(address.ca_file),
            concurrency=connections,
            connection_timeout=_TIMEOUT_SECONDS,
            network_timeout=_TIMEOUT_SECONDS,
            headers={"Content-Type": "application/json", **address.headers},
            disable_ipv6=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def post(self, events: Iterator[tuple[Effect, bytes]], due_at: float, sent: Sent) -> None:
        """Send one request; what is not answered 202 in time counts as refused."""
        batch = [next(events) for _ in range(self._address.events_a_request)]
        try:
            response = self._http.post(EVENTS_PATH, body=events_body([body for _, body in batch], self._kind))
            response.read()
            accepted = response.status_code == _ACCEPTED
        except (OSError, HTTPException, gevent.Timeout):
            accepted = False
        if accepted:
            sent.accepted.update((effect.event_id, due_at) for effect, _ in batch)
        else:
            sent.refused += 1
            gevent.sleep(0.05)
