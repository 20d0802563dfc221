"""Measures what the stack sustains just now: a short closed loop of the load's mix, from first send to last effect.

Closed: clients send as fast as they are answered, and pause while too much is under way, so that a slow machine is
asked for no more than it does. The events are real and belong to no run: all of them are executed before one begins.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from loadtests.brokers import AnyBroker
from loadtests.collector import effects_since
from loadtests.driver import open_client, post
from loadtests.errors import NotReadyError, TooSlowError
from loadtests.feed import Answer, Request, plan_requests
from loadtests.gate import left, wait_until_drained
from loadtests.history import STATUS_ACCEPTED
from loadtests.plan import Plan
from loadtests.session import Session
from loadtests.target import Target

#: Long enough for several batches and collections; a minute of load costs a third more.
SECONDS = 20.0
CLIENTS = 8
#: Accepted and not executed: more than every worker holds, less than a few seconds of work.
MOST_UNDER_WAY = 4_000
#: With fewer events a second, an outage of some seconds would meet almost none.
LEAST_EVENTS_PER_SECOND = 50.0
#: How long the last effects may take.
DRAIN_SECONDS = 90.0
_POLL_SECONDS = 0.2
#: After a refusal or an error: not at once again.
_REFUSED_SECONDS = 0.5


def rate_for(sustained: float, *, share: float, most: float) -> float:
    """The load's rate in events a second: a share of what is sustained, but no more than `most`.

    Raises:
        TooSlowError: that would be too little for a verdict.
    """
    if sustained * share < LEAST_EVENTS_PER_SECOND:
        message = (
            f"It sustains {sustained:.0f} events/s; a verdict needs at least {LEAST_EVENTS_PER_SECOND / share:.0f}: "
            f"the load is {share:g} of what is sustained, and below {LEAST_EVENTS_PER_SECOND:g} events/s a fault "
            "would meet too few events."
        )
        raise TooSlowError(message)
    return min(most, sustained * share)


def sustained_rate(target: Target, session: Session, management: AnyBroker, plan: Plan) -> float:
    """Try the plan's mix on a stack that is healthy and empty; effects a second.

    Raises:
        NotReadyError: accepted events have no effect in time.
    """
    slots = itertools.cycle(plan.schedule.slots())
    requests = plan_requests(slots, plan.source(), run=plan.run, started_at=time.time())
    with open_client(target.gateway_url, target.ca_file, target.api_key, connections=CLIENTS) as client:
        began_at = time.time()
        loop = Loop(requests, lambda request: post(client, request))
        effects, seconds = loop.run(lambda: session.read(lambda rows: effects_since(rows, began_at)))
    if effects < loop.accepted:
        message = f"{effects} of {loop.accepted} events of the trial took effect in {seconds:.0f} s."
        raise NotReadyError(message)
    # A request without an answer may still be executed: it must end before the load that follows.
    if not wait_until_drained(lambda: left(session, management), deadline_seconds=DRAIN_SECONDS):
        message = f"The trial is not worked off: {left(session, management)}."
        raise NotReadyError(message)
    return effects / seconds


@dataclass
class Loop:
    """Clients that take the next request when they have the answer to the last."""

    requests: Iterator[Request]
    post: Callable[[Request], Answer]
    accepted: int = 0
    #: As last counted.
    executed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(
        self,
        effects: Callable[[], int],
        *,
        seconds: float = SECONDS,
        drain_seconds: float = DRAIN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> tuple[int, float]:
        """Send for so long, and wait for the effects: how many, and how long all of it took."""
        clients = [threading.Thread(target=self._client, name=f"trial-{n}", daemon=True) for n in range(CLIENTS)]
        began = clock()
        for client in clients:
            client.start()
        try:
            while clock() - began < seconds:
                self.executed = effects()
                self._ended.wait(_POLL_SECONDS)
        finally:
            self._ended.set()
            for client in clients:
                client.join()
        drain_began = clock()
        while (executed := effects()) < self.accepted and clock() - drain_began < drain_seconds:
            time.sleep(_POLL_SECONDS)
        return executed, clock() - began

    def _client(self) -> None:
        while not self._ended.is_set():
            if self.accepted - self.executed >= MOST_UNDER_WAY:
                self._ended.wait(_POLL_SECONDS)
                continue
            with self._lock:
                request = next(self.requests)
            try:
                status = self.post(request).status
            except Exception:  # noqa: BLE001 - whatever it was: this client goes on
                status = None
            if status == STATUS_ACCEPTED:
                with self._lock:
                    self.accepted += len(request.intent.effects)
            else:
                self._ended.wait(_REFUSED_SECONDS)
