"""Before and after the load: the stack must be healthy and empty, or nothing that follows means anything."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from app import contract
from loadtests.brokers import AnyBroker
from loadtests.collector import effects_since, outbox_pending
from loadtests.errors import NotReadyError
from loadtests.session import Session
from loadtests.target import Target

#: How long to wait for a stack that has just been started or is still working off an earlier run.
READY_SECONDS = 60.0
#: RabbitMQ refreshes the counts of quorum queues every 5 s: zeros must last longer to be believed.
QUIET_SECONDS = 6.0
#: While accepted events are not accounted for, zeros are more likely old than true: the API collects every 10 s.
SUSPICIOUS_QUIET_SECONDS = 25.0
_POLL_SECONDS = 1.0
#: The queues that the generator's requests end in; each needs a consumer.
_LOADED = (contract.EVENT_QUEUE, contract.EVENT_LIST_QUEUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Work that is not done yet."""

    outbox: int
    ready: int
    unacknowledged: int
    #: Accepted events without an effect, as far as counting tells; dead letters are among them.
    unaccounted: int = 0

    @property
    def total(self) -> int:
        """All of it, in messages."""
        return self.outbox + self.ready + self.unacknowledged

    def __str__(self) -> str:
        """For people."""
        return f"{self.outbox} in the outbox, {self.ready} ready and {self.unacknowledged} unacknowledged in queues"


def left(session: Session, management: AnyBroker, *, since: float = 0.0, accepted: int = 0) -> Left:
    """What is left to do, of `accepted` events since then and of anything else."""
    queues = management.work_queues()
    return Left(
        outbox=session.read(outbox_pending),
        ready=sum(queue.ready for queue in queues),
        unacknowledged=sum(queue.unacknowledged for queue in queues),
        unaccounted=max(0, accepted - session.read(lambda connection: effects_since(connection, since)))
        if accepted
        else 0,
    )


def wait_until_drained(
    look: Callable[[], Left],
    *,
    deadline_seconds: float,
    show: Callable[[Left], object] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> bool:
    """Wait until nothing is left and nothing comes back; False if the deadline passed first.

    Events that stay unaccounted for do not hold it up for ever: they are what the reconciler is for.
    """
    begin = clock()
    quiet_since: float | None = None
    while clock() - begin < deadline_seconds:
        try:
            now_left = look()
        except NotReadyError:  # a broker that comes back may refuse an answer; what is unknown is not empty
            quiet_since = None
            sleep(_POLL_SECONDS)
            continue
        show(now_left)
        if now_left.total:
            quiet_since = None
        elif quiet_since is None:
            quiet_since = clock()
        elif clock() - quiet_since >= (SUSPICIOUS_QUIET_SECONDS if now_left.unaccounted else QUIET_SECONDS):
            return True
        sleep(_POLL_SECONDS)
    return False


def require_ready(target: Target, session: Session, management: AnyBroker, *, nodes: int) -> None:
    """Wait for a healthy, empty stack.

    Raises:
        NotReadyError: says what is not as it must be.
    """
    begin = time.monotonic()
    while problem := _problem(target, session, management, nodes):
        if time.monotonic() - begin > READY_SECONDS:
            raise NotReadyError(problem)
        time.sleep(_POLL_SECONDS)
    remaining = max(QUIET_SECONDS + 2 * _POLL_SECONDS, READY_SECONDS - (time.monotonic() - begin))
    if not wait_until_drained(lambda: left(session, management), deadline_seconds=remaining):
        message = (
            f"An earlier run is not worked off: {left(session, management)}. "
            "Wait and try again; if it does not shrink, the workers' logs show why."
        )
        raise NotReadyError(message)


def _problem(target: Target, session: Session, management: AnyBroker, nodes: int) -> str | None:
    session.read(lambda connection: connection.execute("SELECT 1"))
    return _gateway_problem(target) or _broker_problem(management, nodes)


def _gateway_problem(target: Target) -> str | None:
    try:
        response = httpx.get(
            f"{target.gateway_url}/readyz",
            verify=ssl.create_default_context(cafile=str(target.ca_file)),
            timeout=5.0,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        return f"the gateway on {target.gateway_url} does not answer: {error}"
    if response.status_code != httpx.codes.OK:
        return f"the gateway is not ready: /readyz says {response.status_code} {response.text[:200]}"
    return None


def _broker_problem(management: AnyBroker, nodes: int) -> str | None:
    try:
        running = management.nodes_running()
        consumers = {queue.name: queue.consumers for queue in management.work_queues()}
    except NotReadyError as error:
        return error.detail
    if sum(running.values()) < nodes:
        return f"{sum(running.values())} of {nodes} nodes of the broker run: {running}"
    for name in _LOADED:
        if not consumers.get(name):
            return f"queue {name} " + ("has no consumer: is its worker up?" if name in consumers else "is not declared")
    return None
