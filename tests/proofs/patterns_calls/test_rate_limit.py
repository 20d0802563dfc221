"""docs/patterns/rate-limit.md: no period at the far side ever holds more calls than the limit, whatever is killed."""

from __future__ import annotations

import threading
from uuid import uuid4

from app.contract import METRIC_LIMIT_TURNS
from loadtests.mix.limited_calls import LimitedCalls, fullest
from loadtests.mix.sender import Sender
from tests.harness.fleet import FarSide, Fleet, counted
from tests.harness.load import drain
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

#: `fleet_tasks.tasks.SHORT`.
CALLS, SECONDS = 20, 12.0
#: A slow machine's call may arrive later than its turn allows for, and share a period with later ones. What a period
#: holds to the call is shown in test_turns_law.py.
SLOW_SECONDS = 3.0
ADDRESSES = "/v1/tasks/locate_address"


def _arrived(far_side: FarSide, least: int, path: str = "/") -> None:
    eventually(lambda: len(far_side.times(path)) >= least, what=f"{least} calls of {path}", every=0.1)


def test_six_processes_a_kill_and_a_stepped_clock(stack: Stack, far_side: FarSide, fleet: Fleet) -> None:
    """One of three workers is killed in its calls, and one clock steps by an hour."""
    workers = fleet.start(2, stepping=1)
    fleet.send("short", [[number] for number in range(3 * CALLS)])
    _arrived(far_side, CALLS // 2)
    workers[2].execute("touch", "/tmp/stepped")  # noqa: S108 - in the container
    _arrived(far_side, CALLS + 1)
    workers[0].kill()
    workers[0].wait_ended()
    workers[0].start_again()
    drain(stack)

    times = far_side.times("/short")
    assert len({call["path"] for call in far_side.seen("/short")}) == 3 * CALLS, "a call was lost"
    assert fullest(times, SECONDS - SLOW_SECONDS) <= CALLS


def test_a_limit_of_its_own_is_seen(stack: Stack, far_side: FarSide, fleet: Fleet) -> None:
    """A planted bug: with a limit in each process the far side gets more calls than the limit."""
    fleet.start(3, program="limit_of_its_own")
    fleet.send("short", [[number] for number in range(3 * CALLS)])
    drain(stack)
    assert fullest(far_side.times("/short"), SECONDS) > CALLS


def test_the_demos_judge_sees_a_limit_of_its_own(stack: Stack, far_side: FarSide, fleet: Fleet) -> None:
    """The same planted bug under the demo's pattern: its judge finds only that the limit was exceeded."""
    fleet.start(3, program="limit_of_its_own")
    pattern = LimitedCalls(arrivals=lambda: far_side.times("/locate"))
    at_once = threading.Event()
    at_once.set()
    with stack.http(headers={"Content-Type": "application/json"}) as client:
        pattern.send(Sender(client, uuid4().hex, seconds=60, ended=at_once))
    drain(stack)
    with stack.database() as rows:
        judged = pattern.judge(rows)
    assert [one.promise for one in judged if not one.ok] == ["rate limit never exceeded"]


def test_celerys_own_limit_is_each_workers(stack: Stack, far_side: FarSide, fleet: Fleet) -> None:
    """`rate_limit="2/s"` on three workers: what docs/patterns/rate-limit.md says of it was measured here."""
    fleet.start(3)
    fleet.send("fleet_tasks.tasks.celerys", [[number] for number in range(90)])
    _arrived(far_side, 90)
    drain(stack)
    in_ten_seconds = fullest(far_side.times("/celerys"), 10)
    print(f"rate_limit=2/s on three workers: {in_ten_seconds} calls in 10 s")  # noqa: T201 - measured for the page
    assert in_ten_seconds > 2 * 10 * 1.5


def test_a_penalty_is_everybodys(stack: Stack, far_side: FarSide, fleet: Fleet) -> None:
    """After a 429 nobody calls before the time that it names; then the refused task and the waiting ones call."""
    workers = fleet.start(3)
    before = counted(stack, workers, METRIC_LIMIT_TURNS)
    far_side.behave("refuses", status=429, retry_after=8, times=1)
    with stack.http() as client:
        items = [{"address_id": f"p{number}", "words": "x"} for number in range(30)]
        client.post(ADDRESSES, json=items[:1]).raise_for_status()
        _arrived(far_side, 1)
        eventually(lambda: stack.query("SELECT 1 FROM task_failures"), what="the refused attempt is recorded")
        client.post(ADDRESSES, json=items[1:]).raise_for_status()
    drain(stack)
    now = counted(stack, workers, METRIC_LIMIT_TURNS) - before
    assert now["geocoder", "penalty"] == 1
    assert now["geocoder", "taken"] >= 31
    assert now["geocoder", "waits"] > 0
    refused_at, *times = far_side.times("/locate")
    assert len(times) == 30
    assert times[0] - refused_at > 7.5
    assert stack.query("SELECT count(*), max(attempt) FROM task_failures") == [(1, 1)]
    assert stack.query("SELECT count(*) FROM tasks.addresses WHERE address_id LIKE 'p%%'") == [(30,)]


def test_two_at_once_also_after_a_kill(stack: Stack, far_side: FarSide, fleet: Fleet) -> None:
    """There are never three calls at once; the leases of a killed worker end by themselves."""
    workers = fleet.start(3)
    far_side.behave("hangs", seconds=1)
    fleet.send("few", [[number] for number in range(8)])
    _arrived(far_side, 2)
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.start_again()
    drain(stack)
    assert len({call["path"] for call in far_side.seen("/few")}) == 8
    assert max(call["at_once"] for call in far_side.seen("/few")) == 2


def test_without_redis_as_each_limit_says(stack: Stack, far_side: FarSide, fleet: Fleet) -> None:
    """While Redis is away a closed limit lets no call through, and an open limit the shares of its processes."""
    fleet.start(3)
    stack.machines["redis"].kill()
    fleet.send("closed", [[number] for number in range(10)])
    fleet.send("opened", [[number] for number in range(24)])
    _arrived(far_side, 24, "/open")
    assert far_side.times("/closed") == []
    assert fullest(far_side.times("/open"), 6) <= 12
    stack.machines["redis"].start_again()
    drain(stack)
    assert len(far_side.times("/closed")) == 10
    assert stack.query("SELECT count(*) FROM task_failures") == [(0,)]


def test_a_hundred_a_minute(stack: Stack, far_side: FarSide, fleet: Fleet) -> None:
    """The example over HTTP, with a kill and a clock step, makes at most 100 calls in any minute."""
    workers = fleet.start(2, stepping=1)
    count = 250
    with stack.http() as client:
        items = [{"address_id": f"m{number}", "words": f"street {number}"} for number in range(count)]
        client.post(ADDRESSES, json=items).raise_for_status()
        _arrived(far_side, 100)
        workers[1].kill()
        workers[2].execute("touch", "/tmp/stepped")  # noqa: S108 - in the container
        workers[1].wait_ended()
        workers[1].start_again()
    located = "SELECT count(*) FROM tasks.addresses WHERE address_id LIKE 'm%%'"
    eventually(lambda: stack.query(located) == [(count,)], what="all are located")
    drain(stack)
    times = far_side.times("/locate")
    a_minute = 200 / (times[200] - times[0]) * 60
    print(f"{len(times)} calls, {a_minute:.1f} a minute, at most {fullest(times, 60)}")  # noqa: T201 - for the page
    assert fullest(times, 60 - SLOW_SECONDS) <= 100
