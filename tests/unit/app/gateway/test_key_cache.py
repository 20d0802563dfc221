"""What PostgreSQL is asked about API keys, and how long its answers are believed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.requests import Request

from app import contract
from app.contract import Scope
from app.gateway import api_keys, authentication
from app.gateway.api_keys import KeyRecord, PresentedKey
from app.gateway.key_cache import CACHE_SECONDS, KeyCache
from app.gateway.problems import OVERLOADED, UNAVAILABLE, ProblemError

HOUR_SECONDS = 3600.0


def record(api_key_id: str, *, revoked: bool = False) -> KeyRecord:
    """A key that exists."""
    return KeyRecord(
        api_key_id=api_key_id,
        secret_hash=bytes(32),
        scopes=frozenset({"tasks:write"}),
        requests_per_second=1.0,
        revoked=revoked,
    )


class Asked:
    """PostgreSQL and a clock; ids that begin with `good` exist."""

    def __init__(self, *, entries: int = 10) -> None:
        """Nothing was asked."""
        self.now = 0.0
        self.asked: list[str] = []
        self.admitted = 0
        self.may_ask = 1000
        self.away = False
        self.revoked = False
        self.cache = KeyCache(self._load, admit=self._admit, clock=lambda: self.now, entries=entries)

    async def _admit(self) -> None:
        if self.admitted >= self.may_ask:
            raise ProblemError(OVERLOADED)
        self.admitted += 1

    async def _load(self, api_key_id: str) -> KeyRecord | None:
        self.asked.append(api_key_id)
        await asyncio.sleep(0)
        if self.away:
            raise ProblemError(UNAVAILABLE)
        return record(api_key_id, revoked=self.revoked) if api_key_id.startswith("good") else None


def play(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it."""
    asyncio.run(scenario())


def test_a_record_is_asked_for_once_in_a_while() -> None:
    """Within its time the cache answers; after it the newest record counts, so that a revocation is noticed."""
    asked = Asked()

    async def scenario() -> None:
        assert await asked.cache.get("good") == record("good")
        asked.now, asked.revoked = CACHE_SECONDS - 0.1, True
        assert await asked.cache.get("good") == record("good")
        asked.now = CACHE_SECONDS
        assert await asked.cache.get("good") == record("good", revoked=True)
        assert asked.asked == ["good", "good"]

    play(scenario)


def test_an_unknown_id_is_remembered_too() -> None:
    """For as long as a known one: then a key that was made in between is found."""
    asked = Asked()

    async def scenario() -> None:
        for asked.now in (0.0, CACHE_SECONDS - 0.1, CACHE_SECONDS):
            assert await asked.cache.get("bad") is None
        assert asked.asked == ["bad", "bad"]

    play(scenario)


def test_guesses_push_no_key_out() -> None:
    """A15, BR-28: whatever else is asked for, a key that is used stays at hand, and nothing grows."""
    asked = Asked(entries=2)

    async def scenario() -> None:
        await asked.cache.get("good")
        for number in range(10):
            await asked.cache.get(f"bad{number}")
        asked.asked.clear()
        await asked.cache.get("good")
        assert asked.asked == []
        await asked.cache.get("bad0")
        assert asked.asked == ["bad0"]

    play(scenario)


def test_the_cache_is_bounded() -> None:
    """What was used longest ago leaves first."""
    asked = Asked(entries=2)

    async def scenario() -> None:
        for name in ("good1", "good2", "good1", "good3", "good1", "good2"):
            await asked.cache.get(name)
        assert asked.asked == ["good1", "good2", "good3", "good2"]

    play(scenario)


def test_only_so_many_unknown_ids_are_asked_for() -> None:
    """BR-28: the bound is for ids that nobody has seen; a known key is renewed whatever happens."""
    asked = Asked()

    async def scenario() -> None:
        await asked.cache.get("good")
        asked.may_ask = 3
        await asked.cache.get("bad1")
        await asked.cache.get("bad2")
        with pytest.raises(ProblemError) as raised:
            await asked.cache.get("bad3")
        assert raised.value.kind is OVERLOADED
        assert "bad3" not in asked.asked
        asked.now = 2 * CACHE_SECONDS
        assert await asked.cache.get("good") == record("good")

    play(scenario)


def test_many_requests_with_one_new_key_ask_once() -> None:
    """BR-28: after a start they would use up what may be asked, and be refused."""
    asked = Asked()
    asked.may_ask = 1

    async def scenario() -> None:
        got = await asyncio.gather(*(asked.cache.get("good") for _ in range(100)))
        assert got == [record("good")] * 100
        assert asked.asked == ["good"]

    play(scenario)


def test_an_outage_can_be_outlived() -> None:
    """BR-17: whoever asks for it is known for a bounded time while PostgreSQL is away; nobody else is."""
    asked = Asked()

    async def scenario() -> None:
        await asked.cache.get("good")
        asked.away = True
        for asked.now in (CACHE_SECONDS, 60.0, 60.5, HOUR_SECONDS - 1):
            assert await asked.cache.get("good", outage_seconds=HOUR_SECONDS) == record("good")
        asked.now = 2 * HOUR_SECONDS
        for seconds in (0.0, HOUR_SECONDS):
            with pytest.raises(ProblemError):
                await asked.cache.get("good", outage_seconds=seconds)
        with pytest.raises(ProblemError):
            await asked.cache.get("good2", outage_seconds=HOUR_SECONDS)

    play(scenario)


class _Database:
    """PostgreSQL, which goes away after the first answer."""

    def __init__(self, row: dict[str, Any]) -> None:
        self._rows = [row]

    async def run(self, _: object) -> KeyRecord:
        if not self._rows:
            raise ProblemError(UNAVAILABLE)
        return KeyRecord(**self._rows.pop())


@pytest.mark.parametrize(("scope", "admitted"), [(Scope.METRICS_READ, True), (Scope.JOBS_READ, False)])
def test_only_metrics_are_readable_while_postgresql_is_away(scope: Scope, admitted: bool) -> None:
    """BR-17: the scope decides; a wrong secret is refused then as ever."""
    key = api_keys.generate()
    stored = {
        "api_key_id": key.api_key_id, "secret_hash": api_keys.hash_secret(key.secret), "scopes": frozenset(Scope),
        "requests_per_second": 1.0, "revoked": False,
    }  # fmt: skip

    def request(secret: str) -> Request:
        shown = api_keys.render(PresentedKey(api_key_id=key.api_key_id, secret=secret))
        return Request({"type": "http", "headers": [(contract.HEADER_API_KEY.lower().encode(), shown.encode())]})

    async def scenario() -> int:
        authenticator = authentication.Authenticator(_Database(stored))  # type: ignore[arg-type]
        await authenticator.require(request(key.secret), scope)
        authenticator._cache._clock = lambda: time.monotonic() + 2 * CACHE_SECONDS
        with pytest.raises(ProblemError):
            await authenticator.require(request("0" * 64), scope)
        try:
            await authenticator.require(request(key.secret), scope)
        except ProblemError as error:
            return error.kind.status
        return 200

    assert asyncio.run(scenario()) == (200 if admitted else 503)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ([(contract.HEADER_API_KEY, "a")], "a"),
        ([(contract.HEADER_API_KEY, "a"), (contract.HEADER_API_KEY, "a")], "a"),
        ([(contract.HEADER_API_KEY, "a"), (contract.HEADER_API_KEY, "b")], None),
        ([("Authorization", "Bearer c")], "c"),
        ([("Authorization", "Basic c")], None),
        ([], None),
    ],
)
def test_which_key_was_presented(headers: list[tuple[str, str]], key: str | None) -> None:
    """Two different ones are none: a proxy may have judged by the other."""
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]

    assert authentication.presented(Request({"type": "http", "headers": raw})) == key
