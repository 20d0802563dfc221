"""Work on Redis: executed once, though workers and the broker are killed, and though the broker loses everything."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from app import contract
from infra.local.folders import REDIS_BROKER
from tests.harness import jobs
from tests.harness.load import Load, assert_exact
from tests.harness.messages import event
from tests.harness.redis_stack import RedisStack
from tests.harness.stack import QUICK
from tests.harness.waiting import eventually

Make = Callable[..., Load]

WORKERS = ("worker-interactive", "worker-bulk")


def test_events_and_lists_are_executed_once_though_broker_and_workers_are_killed(
    on_redis: RedisStack, load: Make
) -> None:
    """What the broker confirmed is on its disk; what a worker held is seen again when its time is over."""
    with load(on_redis) as running:
        running.wait_stored()
        with running.window("broker") as window:
            on_redis.machines[REDIS_BROKER].kill()
            on_redis.machines[REDIS_BROKER].start_again()
            on_redis.wait(REDIS_BROKER)
            running.wait_executed(since=window.began_at)
        with running.window("workers") as window:
            for name in WORKERS:
                on_redis.machines[name].kill()
            for name in WORKERS:
                on_redis.machines[name].start_again()
                on_redis.wait(name)
            running.wait_executed(since=window.began_at)

    assert_exact(running.accounting())


def test_workers_empty_a_full_redis(on_redis: RedisStack, load: Make) -> None:
    """It takes nothing new, and what was accepted waits in the outbox until it takes messages again."""
    client = on_redis.queues.client
    before = client.config_get("maxmemory")["maxmemory"]
    with load(on_redis) as running:
        running.wait_stored()
        client.config_set("maxmemory", 1)
        try:
            eventually(lambda: not on_redis.queues.messages(), what="Redis is empty")
            eventually(lambda: on_redis.query("SELECT 1 FROM outbox_pending LIMIT 1"), what="messages wait")
        finally:
            client.config_set("maxmemory", before)
        running.wait_executed(since=time.time())

    assert_exact(running.accounting())


def test_what_a_lost_disk_held_is_put_back(on_redis: RedisStack) -> None:
    """A failover or a new disk loses what was confirmed. The outbox has it, and each item has its effect once."""
    on_redis.remove(*WORKERS)
    with on_redis.http() as client:
        singles = [jobs.submit(client, event()) for _ in range(5)]
        many = jobs.submit(client, [event() for _ in range(50)])
    eventually(lambda: not on_redis.query("SELECT 1 FROM outbox_pending"), what="Redis has confirmed everything")
    assert _reconciled(on_redis, "--dry-run")["vanished"] == 0, "they are in Redis"

    on_redis.queues.purge()

    assert _reconciled(on_redis)["vanished"] == len(singles) + 1
    on_redis.start_all(dict.fromkeys(WORKERS, QUICK))
    once = dict.fromkeys(map(UUID, singles), 1) | {UUID(many): 50}
    eventually(lambda: jobs.effects(on_redis, *singles, many) == once, what="each item has one effect")


def test_relays_show_what_redis_holds(on_redis: RedisStack) -> None:
    """A message that waits is in the metrics within seconds."""
    on_redis.remove("worker-bulk")
    with on_redis.http() as client:
        jobs.submit(client, [event()])

    shown = f'{contract.METRIC_BROKER_MESSAGES}{{queue="bulk",state="waiting"}} 1.0'
    with on_redis.metrics_client("relay-1") as client:
        eventually(lambda: shown in client.get("/metrics").text, what=shown, every=0.5)


def _reconciled(stack: RedisStack, *options: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(
        stack.operate("reconcile", "--older-than-seconds", "0", *options).splitlines()[-1]
    )
    return answer


def test_what_redis_cannot_do_is_said_in_a_sentence(on_redis: RedisStack) -> None:
    """When a process starts."""
    for name in ("gateway", "relay-1", "worker-bulk"):
        said = [line for line in on_redis.machines[name].lines() if line.get("event") == "broker_cannot"]
        assert said, name
