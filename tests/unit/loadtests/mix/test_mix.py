"""How patterns send: requests may be repeated, keep their pace, and do not disturb other patterns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import httpx
import orjson
import pytest

from loadtests.errors import HarnessError, ScheduleError
from loadtests.mix.counted_batch import CHUNKS, CountedBatch
from loadtests.mix.limited_calls import ADDRESSES, CALLS, LimitedCalls
from loadtests.mix.mix import Mix
from loadtests.mix.mixed import Judged, Mixed
from loadtests.mix.order import ACCOUNTS, Order
from loadtests.mix.pattern import Pattern
from loadtests.mix.poison import Poison
from loadtests.mix.sender import Sender, repeat
from loadtests.mix.unique_jobs import PAYMENTS, UniqueJobs
from loadtests.mix.uploads import AT_ONCE, DOCUMENTS, Uploads
from loadtests.options import Options
from loadtests.session import Session
from loadtests.target import Target


@dataclass
class Gateway:
    """Answers as the gateway does, after some answers that a test sets."""

    first: list[httpx.Response | Exception] = field(default_factory=list)
    seen: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Take one request."""
        self.seen.append(request)
        if self.first:
            answer = self.first.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        return httpx.Response(202, json={"job_id": "j", "batch_id": "b", "status_url": "/v1/batches/b", "stored": True})

    def client(self) -> httpx.Client:
        """A client of this gateway."""
        return httpx.Client(base_url="https://gateway", transport=httpx.MockTransport(self))

    def bodies(self, path: str) -> list[Any]:
        """The bodies that came to a path."""
        return [orjson.loads(one.content) for one in self.seen if one.url.path == path]


def _send(pattern: Pattern) -> Gateway:
    gateway, ended = Gateway(), threading.Event()
    ended.set()
    with gateway.client() as client:
        pattern.send(Sender(client, "20260101-000000-abcd", seconds=60, ended=ended))
    return gateway


def test_a_refusal_for_now_and_a_lost_answer_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same request with the same key is sent until there is an answer."""
    monkeypatch.setattr("loadtests.mix.sender._AGAIN_SECONDS", 0)
    gateway = Gateway([httpx.Response(503), httpx.ReadTimeout("late"), httpx.Response(429)])
    with gateway.client() as client:
        assert repeat(client, "POST", "/v1/x", b"[]", key="k")["job_id"] == "j"
    assert [one.headers["Idempotency-Key"] for one in gateway.seen] == ["k"] * 4


@pytest.mark.parametrize("answer", [httpx.Response(422, text="no such thing"), httpx.Response(503, text="later")])
def test_a_refusal_that_stays_says_so(answer: httpx.Response) -> None:
    """The error has the gateway's text."""
    with Gateway([answer]).client() as client, pytest.raises(HarnessError, match=r"no such thing|later"):
        repeat(client, "POST", "/v1/x", patience_seconds=0)


def test_more_calls_than_a_minute_holds() -> None:
    """With fewer calls the limit would prove nothing."""
    bodies = _send(LimitedCalls(arrivals=list)).bodies("/v1/tasks/locate_address")
    ids = {item["address_id"] for body in bodies for item in body}
    assert len(ids) == ADDRESSES > CALLS


def test_chunks_come_twice() -> None:
    """Some chunks are sent twice, with the same bytes; the seal counts each once."""
    gateway = _send(CountedBatch())
    chunks = [(one.url.path, one.content) for one in gateway.seen if one.method == "PUT"]
    assert len(chunks) > len(set(chunks)) == CHUNKS
    assert gateway.bodies("/v1/batches/b/seal") == [{"chunks": CHUNKS, "rows": CHUNKS * 1000}]


def test_payments_are_different_ones() -> None:
    """Each has an id of its own, which a repeated request keeps."""
    ids = [item["payment_id"] for body in _send(UniqueJobs()).bodies("/v1/tasks/book_payment") for item in body]
    assert len(set(ids)) == len(ids) == PAYMENTS
    again = [item["payment_id"] for body in _send(UniqueJobs()).bodies("/v1/tasks/book_payment") for item in body]
    assert again == ids


def test_movements_of_several_accounts_come_in_lists_and_some_lists_twice() -> None:
    """A list that comes again has the same movements under another key."""
    gateway = _send(Order())
    bodies = gateway.bodies("/v1/tasks/post_movement")
    lists = {tuple(item["movement_id"] for item in body) for body in bodies}
    assert len(bodies) > len(lists)
    assert len({one.headers["Idempotency-Key"] for one in gateway.seen}) == len(bodies)
    assert all(len({item["account"] for item in body}) == ACCOUNTS for body in bodies)


def test_each_document_is_uploaded_several_times_and_counted_by_a_long_item() -> None:
    """The items are JSON, and longer than a message may be."""
    gateway = _send(Uploads(read=lambda _: None))
    contents = [one.content for one in gateway.seen if one.url.path == "/v1/uploads"]
    assert len(contents) == DOCUMENTS * AT_ONCE
    assert len(set(contents)) == DOCUMENTS
    items = gateway.bodies("/v1/tasks/count_words")
    assert len({item["document_id"] for item in items}) == DOCUMENTS
    assert all(len(one.content) > 128 * 1024 for one in gateway.seen if one.url.path == "/v1/tasks/count_words")


def test_poison_is_among_good_ones() -> None:
    """One request has poisoned and good addresses."""
    [body] = _send(Poison()).bodies("/v1/tasks/locate_address")
    assert {item["words"].startswith("Nowhere") for item in body} == {True, False}


def test_the_pace_is_kept_until_the_load_ends() -> None:
    """Numbers come evenly over the time, and at once when the load has ended."""
    waits: list[float] = []

    class Ended:
        def wait(self, seconds: float) -> bool:
            waits.append(seconds)
            return False

    sender = Sender(cast("httpx.Client", None), "r", seconds=10, ended=cast("threading.Event", Ended()))
    assert list(sender.spread(5, over_seconds=20)) == [0, 1, 2, 3, 4]
    assert [round(wait) for wait in waits] == [0, 2, 4, 6, 8]


def test_the_mix_needs_the_local_stack(tmp_path: Path) -> None:
    """A cluster has no far side that counts; the command says so before anything starts."""
    with pytest.raises(ScheduleError, match="--mix needs the local stack"):
        Options(out=tmp_path, target="kubernetes", mix=True)


def test_a_pattern_that_is_refused_is_unsent_and_the_others_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of a pattern ends the run instead."""
    kept = Judged(pattern="good", promise="kept", expected="1", found="1", ok=True)

    @dataclass
    class Made:
        name: str
        error: Exception | None = None

        def send(self, _: Sender) -> None:
            if self.error:
                raise self.error

        def judge(self, _: object) -> list[Judged]:
            return [kept]

    class Sessions:
        def read(self, query: Callable[[object], Any]) -> Any:
            return query(None)

    def mixed(*chosen: Made) -> Mixed:
        with closing(Mix(cast("list[Pattern]", chosen), cast("Target", Mock()), "r", seconds=1)) as mix:
            mix.start()
            mix.finish()
            return mix.judge(cast("Session", Sessions()))

    monkeypatch.setattr("loadtests.mix.mix.open_client", lambda *_, **__: Gateway().client())
    found = mixed(Made("good"), Made("refused", HarnessError("422")))
    assert found.judged == [kept]
    assert [name for name, _ in found.unsent] == ["refused"]
    with pytest.raises(ZeroDivisionError):
        mixed(Made("broken", ZeroDivisionError()))
    assert mixed() == Mixed(judged=[], unsent=[])
