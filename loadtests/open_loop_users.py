"""Locust as an open-loop generator: users take the next slot of a schedule, so a slow answer delays no other request.

Run by `loadtests.generator`, which writes the plan that this reads. Locust's own pacing is not used: it is bounded by
answers and under-delivers without a word (research/load-and-chaos.md, finding 4).
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import gevent
from geventhttpclient.client import HTTPClientPool
from geventhttpclient.connectionpool import ConnectionPool
from locust import FastHttpUser, constant, events, task
from locust.env import Environment
from locust.exception import StopUser

from loadtests.bodies import EVENTS_PATH, headers, name_of
from loadtests.feed import Answer, Feed, Request, plan_requests, read_answer, send_one
from loadtests.ledger import Ledger
from loadtests.plan import FINISH_SIGNAL, PLAN_VARIABLE, Plan

if PLAN_VARIABLE not in os.environ:
    raise SystemExit(
        "This file belongs to the open-loop generator, which `python -m loadtests demo` starts. "
        "For load of your own: locust -f loadtests/scenarios --host https://… (docs/load.md)."
    )
PLAN = Plan.read(Path(os.environ[PLAN_VARIABLE]))
API_KEY = Path(PLAN.api_key_file).read_text().strip()
#: From the last user's start to the first request: the first intents are synced meanwhile.
START_DELAY_SECONDS = 1.5
TIMEOUT_SECONDS = 10.0


def _sync(descriptor: int) -> None:
    """Sync in a thread of gevent's: in the loop, a slow disk would hold up every send."""
    gevent.get_hub().threadpool.apply(os.fsync, (descriptor,))


def _tls_context(cafile: str | None = None) -> ssl.SSLContext:  # noqa: ARG001 - the caller's default CA bundle
    """Trust the stack's own authority and no other."""
    return ssl.create_default_context(cafile=PLAN.ca_file)


def _send_at_once(_pool: ConnectionPool, connection: gevent.socket.socket) -> None:
    """Switch Nagle's algorithm off: with it a list's last piece waits 40 ms for an acknowledgement of the others."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


ConnectionPool.after_connect = _send_at_once  # type: ignore[method-assign, assignment]  # the client's hook; it has no setting
LEDGER = Ledger(Path(PLAN.ledger), run=PLAN.run, sync=_sync)
#: One pool for all users: connections follow the requests under way, not the number of users.
POOL = HTTPClientPool(
    concurrency=PLAN.users,
    connection_timeout=TIMEOUT_SECONDS,
    network_timeout=TIMEOUT_SECONDS,
    ssl_context_factory=_tls_context,
    disable_ipv6=True,
)


class _Run:
    """The feed of this process, made when all users are there."""

    feed: Feed | None = None
    users_done = 0


@events.spawning_complete.add_listener  # type: ignore[untyped-decorator]
def begin(user_count: int, **_: Any) -> None:  # noqa: ARG001 - Locust's signature
    """Start the schedule's clock."""
    if _Run.feed is not None:
        return
    started_at = time.time() + START_DELAY_SECONDS
    requests = plan_requests(PLAN.schedule.slots(), PLAN.source(), run=PLAN.run, started_at=started_at)
    _Run.feed = Feed(requests, LEDGER)
    _Run.feed.start()
    Path(PLAN.started_file).write_text(repr(started_at))


def finish() -> None:
    """Plan no more requests; users send those that are on disk, and end."""
    if _Run.feed is not None:
        _Run.feed.stop()


gevent.signal_handler(FINISH_SIGNAL, finish)


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def end(environment: Environment, **_: Any) -> None:
    """Close the books. A failed request is the verdict's business, not this process's."""
    LEDGER.close()
    environment.process_exit_code = 2 if _Run.feed is None or _Run.feed.failure else 0


class EventsUser(FastHttpUser):  # type: ignore[misc]  # Locust has no types here
    """A client that sends whatever is due next."""

    host = PLAN.gateway_url
    wait_time = constant(0)
    insecure = False
    client_pool = POOL
    ssl_context_factory = staticmethod(_tls_context)

    @task  # type: ignore[untyped-decorator]
    def send_what_is_due(self) -> None:
        """Send requests until there are no more."""
        while _Run.feed is None:
            gevent.sleep(0.02)
        while (request := _Run.feed.take()) is not None:
            send_one(request, LEDGER, self._post)
        _Run.users_done += 1
        if _Run.users_done == PLAN.users:
            # Not from a user's own greenlet: `quit` waits for users to end.
            gevent.spawn(self.environment.runner.quit)
        raise StopUser

    def _post(self, request: Request) -> Answer:
        response = self.client.post(
            EVENTS_PATH,
            data=request.body,
            name=name_of(request.intent.kind),
            headers=headers(API_KEY, request.intent.request_id),
        )
        if not response.status_code:
            error = getattr(response, "error", None)
            return Answer(status=None, error=f"{type(error).__name__}: {error}")
        return read_answer(response.status_code, response.content)
