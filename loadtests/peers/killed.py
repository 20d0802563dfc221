"""Counts what is lost and what happens twice when a worker is killed, and then the node that leads the queue."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from docker.models.containers import Container

from app import contract
from loadtests.peers.containers import Machines
from loadtests.peers.contender import Contender, Ours
from loadtests.peers.measure import CONNECTIONS, drained, running
from loadtests.peers.sender import closed_loop
from loadtests.source import GeneratedEvents
from loadtests.target import Target

#: Of the load: when which is killed, and for how long it is away.
SECONDS, WORKER_AT, LEADER_AT, AWAY = 30.0, 6.0, 16.0, 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Events answered 202, and what became of them."""

    contender: str
    accepted: int
    #: Executed only after the worker was started anew: it did nothing more, although everything ran again.
    stuck: int
    #: Without an effect also then.
    lost: int
    #: Effects beyond the first.
    doubled: int
    #: Requests without a 202.
    refused: int


def kill(contender: Contender, machines: Machines, target: Target) -> Account:
    """Under load, SIGKILL to the worker's container, then to the leader's."""
    with running(contender, machines, target) as one:
        ours = isinstance(contender, Ours)
        worker = one.own[f"worker-{contract.EVENT_QUEUE}" if ours else "worker"]
        vhost, queue = (
            (contract.VHOST, contract.EVENT_QUEUE) if isinstance(contender, Ours) else ("peers", contender.queue)
        )
        leader = machines.leader(queue, vhost)
        began_at = time.time()
        timers = [threading.Timer(WORKER_AT, _kill, (worker,)), threading.Timer(LEADER_AT, _kill, (leader,))]
        for timer in timers:
            timer.start()
        source = GeneratedEvents(run=f"peers-{time.time_ns()}")
        try:
            sent = closed_loop(one.address, source, connections=CONNECTIONS, seconds=SECONDS)
        finally:
            for timer in timers:
                timer.cancel()  # one that began already starts its container again
                timer.join()
        effects = drained(one, sent, began_at)
        executed = effects.keys()
        if sent.accepted.keys() - executed:
            worker.restart(timeout=10)
            effects = drained(one, sent, began_at)
        return Account(
            contender=contender.name,
            accepted=len(sent.accepted),
            stuck=len(sent.accepted.keys() & (effects.keys() - executed)),
            lost=len(sent.accepted.keys() - effects.keys()),
            doubled=sum(number - 1 for key, (number, _) in effects.items() if key in sent.accepted),
            refused=sent.refused,
        )


def _kill(container: Container) -> None:
    container.kill()
    time.sleep(AWAY)
    container.start()
