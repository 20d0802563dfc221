"""From schedule to requests: bodies are made and intents synced a moment ahead, so that no send waits for a disk."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import orjson

from app import contract
from loadtests.bodies import events_body
from loadtests.history import CUT_OFF, STATUS_ACCEPTED, Intent, Outcome, Result, classify
from loadtests.ledger import Ledger
from loadtests.schedule import Slot
from loadtests.source import EventSource

#: How far ahead of its time a request is on disk at the latest. A slow fsync (100 ms under load) then delays nothing.
LEAD_SECONDS = 0.5
#: Intents that share one fsync.
GROUP_SECONDS = 0.25
#: A list is closed when it would pass this: real payloads of 28 KB must not make one request of 5 MB.
LIST_MAX_BYTES = 1024 * 1024
#: Later than this a request is given up and counted as not sent: the load must end when its schedule does.
GIVE_UP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """An intent with the body that carries it."""

    intent: Intent
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: a status, or the error that stood in its place."""

    status: int | None
    problem: str | None = None
    job_id: str | None = None
    error: str | None = None


def plan_requests(slots: Iterable[Slot], source: EventSource, *, run: str, started_at: float) -> Iterator[Request]:
    """Fill the slots with events, lazily."""
    events = iter(source)
    for number, slot in enumerate(slots):
        effects, bodies, size = [], [], 0
        for effect, body in events:
            effects.append(effect)
            bodies.append(body)
            size += len(body)
            if len(bodies) >= slot.events or size >= LIST_MAX_BYTES:
                break
        intent = Intent(
            request_id=f"{run}-{number}",
            kind=slot.kind,
            intended_at=started_at + slot.offset_seconds,
            effects=tuple(effects),
        )
        yield Request(intent, events_body(bodies, slot.kind))


class Feed:
    """Hands out requests whose intents are on disk; one thread fills it, many take from it."""

    def __init__(
        self,
        requests: Iterator[Request],
        ledger: Ledger,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Nothing happens until `start`."""
        self._requests = requests
        self._ledger = ledger
        self._clock = clock
        self._sleep = sleep
        self._ready: queue.Queue[Request | None] = queue.Queue()
        self._stopped = threading.Event()
        self.failure: BaseException | None = None

    def start(self) -> threading.Thread:
        """Fill in the background (a greenlet where gevent has patched threads)."""
        thread = threading.Thread(target=self.fill, name="feed", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Plan nothing more; what is ready is still handed out."""
        self._stopped.set()

    def fill(self) -> None:
        """Write each group of intents a moment before its time, then hand it out."""
        group: list[Request] = []
        try:
            for request in self._requests:
                if self._stopped.is_set():
                    break
                if group and request.intent.intended_at - group[0].intent.intended_at > GROUP_SECONDS:
                    self._hand_out(group)
                    group = []
                group.append(request)
            if not self._stopped.is_set():
                self._hand_out(group)
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self._ready.put(None)

    def take(self) -> Request | None:
        """The next request, or None when there are no more. Blocks."""
        request = self._ready.get()
        if request is None:
            self._ready.put(None)  # for the next taker
        return request

    def _hand_out(self, group: list[Request]) -> None:
        if not group:
            return
        ahead = group[0].intent.intended_at - self._clock() - LEAD_SECONDS - GROUP_SECONDS
        if ahead > 0:
            self._sleep(ahead)
        self._ledger.intend([request.intent for request in group])
        for request in group:
            self._ready.put(request)


def send_one(
    request: Request,
    ledger: Ledger,
    post: Callable[[Request], Answer],
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Wait for the request's time, send it once, note what became of it. Never again: a retry would hide a loss."""
    intent = request.intent
    if (wait := intent.intended_at - clock()) > 0:
        sleep(wait)
    sent_at = clock()
    if sent_at - intent.intended_at > GIVE_UP_SECONDS:
        ledger.record(Result(request_id=intent.request_id, outcome=Outcome.NOT_SENT, error="the generator was late"))
        return
    try:
        answer = post(request)
    except Exception as error:  # noqa: BLE001 - whatever it was, the request may have arrived
        answer = Answer(status=None, error=f"{type(error).__name__}: {error}")
    ledger.record(
        Result(
            request_id=intent.request_id,
            outcome=classify(answer.status, answer.problem),
            sent_at=sent_at,
            returned_at=clock(),
            status=answer.status,
            problem=answer.problem,
            job_id=answer.job_id,
            error=answer.error,
        )
    )


def read_answer(status: int, content: bytes | None) -> Answer:
    """Take what the ledger keeps from an answer: the job's id, or the problem's name and its beginning."""
    try:
        body = orjson.loads(content or b"")
    except orjson.JSONDecodeError:
        if status == STATUS_ACCEPTED:
            return Answer(status=status, error=CUT_OFF)
        body = None
    said = body if isinstance(body, dict) else {}
    if status == STATUS_ACCEPTED:
        job_id = said.get("job_id")
        return Answer(status=status, job_id=str(job_id) if job_id else None)
    kind = str(said.get("type", ""))
    known = kind.startswith(contract.PROBLEM_TYPE_PREFIX)
    return Answer(
        status=status,
        problem=kind.removeprefix(contract.PROBLEM_TYPE_PREFIX) if known else None,
        error=(content or b"").decode(errors="replace")[:300],
    )
