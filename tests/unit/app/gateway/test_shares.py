"""A sender's share of a queue: a number of items a second, with a reserve."""

from __future__ import annotations

import asyncio

from app.gateway import shares
from app.gateway.shares import Shares
from tests.harness.waiting import eventually


def test_a_reserve_is_used_up_and_fills_again() -> None:
    """Items beyond the share take nothing from it."""
    slow = Shares(per_second=0.1, reserve=100)
    with asyncio.Runner() as runner:
        took = [runner.run(slow.take("a", "bulk", items)) for items in (60, 60, 40, 1, 1000)]
        assert took == [True, False, True, False, False]

        quick = Shares(per_second=1000, reserve=100)
        assert runner.run(quick.take("a", "bulk", 100))
        eventually(lambda: runner.run(quick.take("a", "bulk", 100)), what="the reserve is full again", every=0.05)
        assert not runner.run(quick.take("a", "bulk", 101)), "it is never more than full"


def test_each_sender_has_its_own() -> None:
    """Each sender has a share of each queue."""
    given = Shares(per_second=0.1, reserve=100)
    with asyncio.Runner() as runner:
        for api_key_id, queue in (("a", "bulk"), ("b", "bulk"), ("a", "interactive")):
            assert runner.run(given.take(api_key_id, queue, 100))
            assert not runner.run(given.take(api_key_id, queue, 1))


def test_memory_does_not_grow_with_the_senders() -> None:
    """Of many senders the library forgets those that sent nothing for the longest time."""
    given = Shares(per_second=10, reserve=100)

    async def send() -> None:
        for number in range(2 * shares._SENDERS):
            await given.take(f"key-{number}", "bulk", 1)

    asyncio.run(send())
    assert len(given._store._backend._client) <= shares._SENDERS
