"""Work on Redis: executed once, though workers and the broker are killed."""

from __future__ import annotations

from collections.abc import Callable

from infra.local.folders import REDIS_BROKER
from tests.harness.load import Load, assert_exact
from tests.harness.redis_stack import RedisStack

Make = Callable[..., Load]

WORKERS = ("worker-interactive", "worker-bulk")


def test_events_and_lists_are_executed_once_though_workers_and_broker_are_killed(
    on_redis: RedisStack, load: Make
) -> None:
    """What a worker held is seen again when its time is over; what the broker confirmed is on its disk."""
    with load(on_redis) as running:
        running.wait_stored()
        with running.window("workers") as window:
            for name in WORKERS:
                on_redis.machines[name].kill()
            for name in WORKERS:
                on_redis.machines[name].start_again()
                on_redis.wait(name)
            running.wait_executed(since=window.began_at)
        with running.window("broker") as window:
            on_redis.machines[REDIS_BROKER].kill()
            on_redis.machines[REDIS_BROKER].start_again()
            on_redis.wait(REDIS_BROKER)
            running.wait_executed(since=window.began_at)

    assert_exact(running.accounting())
