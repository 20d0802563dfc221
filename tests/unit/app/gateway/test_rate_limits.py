"""The limit of a key, and what becomes of it without Redis."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.gateway import together
from app.gateway.problems import ProblemError
from app.gateway.rate_limits import Breaker, RateLimiter, burst, quota
from app.settings import Settings


@pytest.mark.parametrize(("rate", "at_once"), [(0.02, 5), (1, 5), (50, 5), (51, 6), (1000, 100), (2000.5, 201)])
def test_few_requests_may_come_at_once(rate: float, at_once: int) -> None:
    """A tenth of a second's worth, but never less than five."""
    assert burst(rate) == at_once


@pytest.mark.parametrize("rate", [0.02, 0.5, 1, 2.5, 1000])
def test_a_quota_is_the_rate(rate: float) -> None:
    """Rates below one a second too, which the library cannot say in whole seconds."""
    assert quota(rate).fill_rate == pytest.approx(rate, rel=0.2)


def test_without_redis_the_limit_holds_locally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis was never there: the burst passes, the next request is refused with a time to wait."""
    monkeypatch.setenv("MILLRACE_SECRETS_DIR", str(tmp_path))

    async def scenario() -> ProblemError | None:
        rate = 0.02  # no request more within any test's time
        limiter = RateLimiter(Settings())
        for _ in range(burst(rate)):
            await limiter.check("key", rate)
        await limiter.check("another key", rate)
        try:
            await limiter.check("key", rate)
        except ProblemError as error:
            return error
        return None

    refusal = asyncio.run(scenario())

    assert refusal is not None
    assert refusal.kind.status == 429
    assert int(refusal.headers["Retry-After"]) >= 1


def test_a_process_that_is_slow_refuses_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a request that had waited for a second to be counted was refused with 503."""
    monkeypatch.setenv("MILLRACE_SECRETS_DIR", str(tmp_path))
    now = 0.0
    monkeypatch.setattr(together.time, "monotonic", lambda: now)

    async def scenario() -> None:
        nonlocal now
        limiter = RateLimiter(Settings())
        asking = [asyncio.ensure_future(limiter.check("key", 1.0)) for _ in range(2)]
        await asyncio.sleep(0)
        late = asyncio.ensure_future(limiter.check("key", 1.0))
        await asyncio.sleep(0)
        now = 60.0
        await asyncio.gather(*asking, late)

    asyncio.run(scenario())


def test_the_breaker_closes_only_by_a_probe() -> None:
    """It starts open, closes when Redis answers, opens at the first failure, and closes again."""
    answers = iter([OSError(), None, None])

    async def probe() -> None:
        if (answer := next(answers)) is not None:
            raise answer

    async def scenario() -> list[bool]:
        breaker = Breaker(probe, probe_seconds=0)
        seen = [breaker.closed]
        watching = asyncio.create_task(breaker.watch())

        async def closes() -> None:
            while not breaker.closed:  # noqa: ASYNC110 - the probe decides, and tells nobody
                await asyncio.sleep(0)

        async with asyncio.timeout(5):
            await closes()
            seen.append(breaker.closed)
            breaker.trip(OSError())
            seen.append(breaker.closed)
            await closes()
        watching.cancel()
        return [*seen, breaker.closed]

    assert asyncio.run(scenario()) == [False, True, False, True]
