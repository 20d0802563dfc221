"""What a limit does while Redis is away, and which declarations it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from app.errors import ComeBackLaterError, DeclarationError
from app.patterns import rate_limit
from app.patterns.rate_limit import RateLimit


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Redis is away; the turns that were asked for."""
    turns: list[str] = []

    def ask(_self: RateLimit, turn: str) -> int:
        turns.append(turn)
        raise redis.ConnectionError("refused")

    monkeypatch.setattr(RateLimit, "_ask", ask)
    return turns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of this process, in its first member."""
    now = [1000.0]
    monkeypatch.setattr(rate_limit.time, "monotonic", lambda: now[0])
    return now


def test_a_closed_limit_waits_for_redis() -> None:
    """The error goes on to the base of every task, which waits."""
    with pytest.raises(redis.ConnectionError), RateLimit(name="x", calls=5, seconds=1).turn():
        pass


def test_an_open_limit_spreads_its_share(clock: list[float], asked: list[str]) -> None:
    """Of 60 calls a minute over 6 processes this one makes one in 6 s, and asks Redis again every 5 s."""
    limit = RateLimit(name="x", calls=60, seconds=60, processes=6)
    made = []
    for second in range(60):
        clock[0] = 1000.0 + second
        try:
            with limit.turn():
                made.append(second)
        except ComeBackLaterError as later:
            assert 0 < later.delay_seconds <= 6  # noqa: PT017 - not every turn raises
    assert made == list(range(0, 60, 6))
    assert len(asked) == 60 / rate_limit.AWAY_SECONDS


def test_what_is_refused_by_redis_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing permission must not open the limit."""

    def refuse(*_: Any) -> int:
        raise redis.exceptions.NoPermissionError("NOPERM")

    monkeypatch.setattr(RateLimit, "_ask", refuse)
    with pytest.raises(redis.exceptions.NoPermissionError), RateLimit(name="x", calls=5, seconds=1, processes=2).turn():
        pass


@pytest.mark.parametrize("wrong", [{"calls": 0}, {"seconds": 0}, {"in_flight": -1}, {"processes": -1}])
def test_a_number_that_cannot_work(wrong: dict[str, Any]) -> None:
    """The declaration is refused at import, where the developer sees it."""
    with pytest.raises(DeclarationError):
        RateLimit(**{"name": "x", "calls": 1, "seconds": 1, **wrong})
