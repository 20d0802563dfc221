"""docs/patterns/warm-cache.md: one computation for all callers; the dead are replaced, the late overwrite nothing."""

from __future__ import annotations

from app.contract import Role
from tests.harness.fleet import Fleet
from tests.harness.load import drain
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

CALLERS, CONTAINERS = 50, 4
#: `holder_seconds` of who is not to be replaced, however slow the machine is.
_FOR_EVER = "900"
_TABLE = "CREATE TABLE IF NOT EXISTS tasks.computations (who text NOT NULL)"
#: Fifty threads want the value; each computation leaves a row, and lasts until the row of `release` is there.
_CALL = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from sqlalchemy import text
from app.patterns import warm_cache
from app.patterns.warm_cache import WarmCache
from app.storage.engine import engine

who, callers, holder_seconds, bug = sys.argv[1:]
if bug == "no fencing":
    class Unfenced:
        def __call__(self, keys, arguments):
            _, value, keep_ms = arguments
            warm_cache._END.server().set(keys[0], value, px=keep_ms)
            return 1
    honest, warm_cache._END = warm_cache._END, Unfenced()
    Unfenced.server = staticmethod(honest.server)
cache = WarmCache(name="proof", keep_seconds=300, holder_seconds=float(holder_seconds), wait_seconds=900)

def compute():
    with engine().begin() as connection:
        connection.execute(text("INSERT INTO tasks.computations VALUES (:who)"), {"who": who})
    released = text("SELECT 1 FROM tasks.computations WHERE who = 'release ' || :who")
    while True:
        with engine().connect() as connection:
            if connection.execute(released, {"who": who}).scalar():
                return who
        time.sleep(0.05)

with ThreadPoolExecutor(int(callers)) as pool:
    print("got", sorted(set(pool.map(lambda _: cache.get("key", compute), range(int(callers))))), flush=True)
"""

_REFRESH = """
from app.patterns.warm_cache import WarmCache
cache = WarmCache(name="fresh", keep_seconds=300, holder_seconds=900)
print(cache.get("key", lambda: 1), cache.refresh("key", lambda: 2), cache.get("key", lambda: 0))
try:
    cache.refresh("key", lambda: 1 / 0)
except ZeroDivisionError:
    print("raised", cache.get("key", lambda: 0), cache.refresh("key", lambda: 3))
"""


def _prepare(stack: Stack) -> None:
    stack.query(_TABLE, role=Role.OWNER)
    stack.query("DELETE FROM tasks.computations", role=Role.OWNER)


def _computations(stack: Stack) -> list[str]:
    return [who for (who,) in stack.query("SELECT who FROM tasks.computations WHERE who NOT LIKE 'release%%'")]


def _release(stack: Stack, who: str) -> None:
    stack.query("INSERT INTO tasks.computations VALUES (%s)", f"release {who}", role=Role.OWNER)


def _began(stack: Stack, who: str) -> None:
    eventually(lambda: who in _computations(stack), what=f"{who} computes", every=0.1)


def test_one_computation_under_two_hundred_callers(stack: Stack, fleet: Fleet) -> None:
    """Of four processes with fifty threads each, one thread computes, and all get its value."""
    _prepare(stack)
    names = [f"caller-{number}" for number in range(CONTAINERS)]
    callers = [fleet.run(name, _CALL, name, str(CALLERS), _FOR_EVER, "") for name in names]
    eventually(lambda: _computations(stack), what="somebody computes")
    eventually(lambda: _connections(stack) >= CALLERS * CONTAINERS, what="all two hundred want it")
    for name in names:
        _release(stack, name)
    for caller in callers:
        assert caller.wait_ended() == 0, caller.logs(20)
    [holder] = _computations(stack)
    assert [caller.logs().split("got ")[-1].strip() for caller in callers] == [f"['{holder}']"] * CONTAINERS


def _connections(stack: Stack) -> int:
    """The number of workers' connections to Redis; each thread has one."""
    with stack.redis() as session:
        return sum(client["user"] == "worker" for client in session.client_list())


def test_a_dead_holder_is_replaced(stack: Stack, fleet: Fleet) -> None:
    """If the holder is killed, another caller computes after `holder_seconds`."""
    _prepare(stack)
    holder = fleet.run("caller-dead", _CALL, "dead", "1", "3", "")
    _began(stack, "dead")
    other = fleet.run("caller-other", _CALL, "other", str(CALLERS), _FOR_EVER, "")
    holder.kill()
    _release(stack, "other")
    assert other.wait_ended() == 0, other.logs(20)
    assert "got ['other']" in other.logs()
    assert _computations(stack) == ["dead", "other"]


def _late(stack: Stack, fleet: Fleet, bug: str) -> tuple[str, bytes]:
    """Freeze a holder until another has stored a value; returns what the holder got, and what is stored."""
    _prepare(stack)
    late = fleet.run("caller-late", _CALL, "late", "1", "3", bug)
    _began(stack, "late")
    late.pause()
    other = fleet.run("caller-other", _CALL, "other", "1", _FOR_EVER, bug)
    _began(stack, "other")
    _release(stack, "other")
    assert other.wait_ended() == 0, other.logs(20)
    _release(stack, "late")
    late.unpause()
    assert late.wait_ended() == 0, late.logs(20)
    with stack.redis() as session:
        value = session.get("cache:{proof:key}:value")
    return late.logs().split("got ")[-1].strip(), value or b""


def test_a_late_holder_overwrites_nothing(stack: Stack, fleet: Fleet) -> None:
    """A late holder gets the newer value."""
    assert _late(stack, fleet, "") == ("['other']", b'"other"')


def test_without_fencing_it_is_seen(stack: Stack, fleet: Fleet) -> None:
    """A planted bug: a late holder stores, so the older value wins."""
    assert _late(stack, fleet, "no fencing") == ("['late']", b'"late"')


def test_a_refresh_replaces_what_is_in_use(fleet: Fleet) -> None:
    """A refresh stores the new value; a failed computation keeps the old value and frees the right to compute."""
    script = fleet.run("caller-fresh", _REFRESH)
    assert script.wait_ended() == 0, script.logs(20)
    assert script.logs().split() == ["1", "2", "2", "raised", "2", "3"]


def test_the_example(stack: Stack) -> None:
    """A hundred quotes at once, while a worker is killed, make the price list once."""
    stack.query("DELETE FROM tasks.quotes", role=Role.OWNER)
    stack.query("DELETE FROM tasks.purchases", role=Role.OWNER)
    stack.query("INSERT INTO tasks.purchases SELECT 'nail', 'EUR', 10 FROM generate_series(1, 1000)", role=Role.OWNER)
    orders = [{"order_id": str(number), "currency": "EUR", "articles": {"nail": number + 1}} for number in range(100)]
    with stack.http() as client:
        client.post("/v1/tasks/quote_order", json=orders).raise_for_status()
        client.post("/v1/tasks/quote_order", json=orders).raise_for_status()
    stack.machines["worker-interactive"].kill_child()
    eventually(lambda: stack.query("SELECT count(*) FROM tasks.quotes") == [(100,)], what="all are quoted")
    drain(stack)
    assert stack.query("SELECT sum(cents) FROM tasks.quotes") == [(12 * 100 * 101 // 2,)]
