"""One contender in one round: as fast as it is answered for some seconds, then at a low fixed rate.

A round measures all of them in turn, and rounds are repeated, so that what the machine does besides hits all alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

from docker.models.containers import Container

from app import contract
from loadtests.collector import Rows
from loadtests.errors import HarnessError
from loadtests.peers import containers
from loadtests.peers.containers import Machines, processor_seconds
from loadtests.peers.contender import Contender, Ours
from loadtests.peers.sender import Address, Sent, closed_loop, paced
from loadtests.source import GeneratedEvents
from loadtests.target import Target

#: Of each phase. Requests in flight at once; peers and Millrace's single events have the same.
CONNECTIONS, LOW_RATE = 32, 20.0
#: If nothing more is executed for so long, the rest is lost or stuck.
_STALLED_SECONDS = 40.0
_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """How long the phases last."""

    fast: float = 10.0
    slow: float = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one contender did in one round."""

    contender: str
    accepted: int
    #: From the first request to the last effect.
    events_per_second: float
    #: Processor time an event in milliseconds: its own processes, RabbitMQ, PostgreSQL.
    own_ms: float
    broker_ms: float
    database_ms: float
    #: From the moment a request was due to its effect, at `LOW_RATE`; none for lists.
    p50_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A contender that works, and how its effects are seen."""

    address: Address
    own: dict[str, Container]
    connections: int
    #: For each event its effects and the time of the first, in Unix seconds.
    effects: Callable[[float], dict[str, tuple[int, float]]]
    count: Callable[[float], int]


@contextmanager
def running(contender: Contender, machines: Machines, target: Target) -> Iterator[Running]:
    """Start it, and wait until an event takes effect."""
    with target.connect() as database:
        if isinstance(contender, Ours):
            one = _ours(contender, machines, target, database)
            _warm(one)
            yield one
        else:
            with machines.running(contender) as made:
                one = _peer(made, database)
                _warm(one)
                machines.empty()
                yield one


def measure(contender: Contender, machines: Machines, target: Target, seconds: Seconds) -> Figures:
    """Both phases.

    Raises:
        HarnessError: it did not start, or an accepted event had no effect although nothing was broken.
    """
    with running(contender, machines, target) as one:
        began_at = time.time()
        before = processor_seconds(one.own), processor_seconds(machines.shared)
        sent = closed_loop(one.address, _events(), connections=one.connections, seconds=seconds.fast)
        if not sent.accepted:
            raise HarnessError(f"{contender.title}: no request was accepted.")
        effects = drained(one, sent, began_at)
        after = processor_seconds(one.own), processor_seconds(machines.shared)
        if missing := len(sent.accepted.keys() - effects.keys()):
            raise HarnessError(f"{contender.title}: {missing} of {len(sent.accepted)} accepted events had no effect.")
        used = {name: after[1][name] - before[1][name] for name in after[1]}
        count = len(sent.accepted)
        latencies = [] if _is_lists(contender) else _latencies(one, seconds.slow)
        return Figures(
            contender=contender.name,
            accepted=len(sent.accepted),
            events_per_second=count / (max(at for _, at in effects.values()) - began_at),
            own_ms=1000 * sum(after[0][name] - before[0][name] for name in after[0]) / count,
            broker_ms=1000 * sum(spent for name, spent in used.items() if name.startswith("rabbitmq")) / count,
            database_ms=1000 * used["postgresql"] / count,
            p50_ms=percentile(latencies, 50) if latencies else None,
            p99_ms=percentile(latencies, 99) if latencies else None,
        )


def drained(one: Running, sent: Sent, since: float) -> dict[str, tuple[int, float]]:
    """The effects, once all of what was accepted has one, or nothing more happens."""
    seen, moved_at = -1, time.monotonic()
    while time.monotonic() - moved_at < _STALLED_SECONDS:
        count = one.count(since)
        if count >= len(sent.accepted) and not sent.accepted.keys() - one.effects(since).keys():
            break
        if count != seen:
            seen, moved_at = count, time.monotonic()
        time.sleep(0.25)
    return one.effects(since)


def percentile(values: Sequence[float], percent: int) -> float:
    """The nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-len(ordered) * percent // _PERCENT) - 1)]


def _latencies(one: Running, seconds: float) -> list[float]:
    began_at = time.time()
    sent = paced(one.address, _events(), rate=LOW_RATE, seconds=seconds)
    effects = drained(one, sent, began_at)
    return [1000 * (effects[key][1] - due_at) for key, due_at in sent.accepted.items() if key in effects]


def _warm(one: Running) -> None:
    """Connections are open and caches are full before anything is measured."""
    since = time.time()
    # A process that starts refuses at first, so this sends until something was accepted.
    ends_at = time.monotonic() + 90
    while time.monotonic() < ends_at:
        sent = closed_loop(one.address, _events(), connections=2, seconds=1.0)
        if sent.accepted and not sent.accepted.keys() - drained(one, sent, since).keys():
            return
    raise HarnessError(f"{one.address.url}: nothing was accepted and executed within 90 s.")


def _is_lists(contender: Contender) -> bool:
    return isinstance(contender, Ours) and contender.events_a_request > 1


def _events() -> GeneratedEvents:
    return GeneratedEvents(run=f"peers-{time.time_ns()}")


#: Of Millrace's events those that a measurement sent: other rows of the moment are the canaries'.
_OUR_EFFECTS: LiteralString = """
    SELECT event_id::text, count(*), extract(epoch FROM min(stored_at))::float8
    FROM events WHERE stored_at >= to_timestamp(%s) AND payload->>'user_id' LIKE 'peers-%%' GROUP BY event_id
"""
_OUR_COUNT: LiteralString = """
    SELECT count(*) FROM events WHERE stored_at >= to_timestamp(%s) AND payload->>'user_id' LIKE 'peers-%%'
"""
_PEERS_EFFECTS: LiteralString = """
    SELECT id::text, count(*), extract(epoch FROM min(executed_at))::float8
    FROM peers.effects WHERE executed_at >= to_timestamp(%s) GROUP BY id
"""
_PEERS_COUNT: LiteralString = "SELECT count(*) FROM peers.effects WHERE executed_at >= to_timestamp(%s)"


def _ours(contender: Ours, machines: Machines, target: Target, database: Rows) -> Running:
    return Running(
        address=Address(
            url=target.gateway_url,
            headers={contract.HEADER_API_KEY: target.api_key},
            ca_file=target.ca_file,
            events_a_request=contender.events_a_request,
        ),
        own=machines.ours,
        connections=contender.connections,
        effects=lambda since: _read(database, _OUR_EFFECTS, since),
        count=lambda since: _count(database, _OUR_COUNT, since),
    )


def _peer(made: dict[str, Container], database: Rows) -> Running:
    return Running(
        address=Address(url=f"http://127.0.0.1:{containers.PORT}"),
        own=made,
        connections=CONNECTIONS,
        effects=lambda since: _read(database, _PEERS_EFFECTS, since),
        count=lambda since: _count(database, _PEERS_COUNT, since),
    )


def _read(database: Rows, query: LiteralString, since: float) -> dict[str, tuple[int, float]]:
    return {key: (number, at) for key, number, at in database.execute(query, (since,))}


def _count(database: Rows, query: LiteralString, since: float) -> int:
    row = database.execute(query, (since,)).fetchone()
    return row[0] if row else 0
