"""An image of one's own, as docs/tasks.md says, whose tasks use Celery as its users do."""

from __future__ import annotations

import pytest

from tests.harness.load import drain
from tests.harness.stack import PATIENT_RELAY, Stack
from tests.harness.waiting import eventually

#: What is seen of a feature, in any order.
SEEN: dict[str, list[str]] = {
    "delay": ["delay"],
    "countdown": ["countdown"],
    "eta": ["eta"],
    "expires": ["after"],
    "priority and headers": ['{"priority": 3, "mine": "7"}'],
    "retry": ["attempt 2"],
    "autoretry_for": ["attempt 2"],
    "replace": ["replaced"],
    "chain": ["12"],
    "link": ["2"],
    "link_error": ["errback"],
    "group": ["a", "b"],
    "send_task": ["by name"],
    "pydantic": ["Order 7"],
    "a task once in a chain": ["a bill", "billed"],
    "safe default": ["tried"] * 6,
    "chord": ["[2, 3]"],
    "a chord of tasks once": ["['a bill', 3]", "billed"],
    "result": ["[2]"],
    "a result that lasts": ["['a receipt']", "bought"],
    "a group with results": ["[2, 3]"],
}


_DEAD = """
    SELECT reason, attempts, exception_type FROM dead_letters WHERE task_name = 'acme.always_fails' AND body LIKE %s
"""


def _seen(stack: Stack, mark: str) -> list[str]:
    return sorted(word for (word,) in stack.query("SELECT word FROM tasks.seen WHERE mark = %s", mark))


@pytest.mark.parametrize("where", ["outside", "inside"])
def test_celery_stays_celery(acme: Stack, where: str) -> None:
    """Each feature, sent at once and sent with a transaction; all at the same time, so that none waits for another."""
    acme.ensure("relay-1", "relay-2", **PATIENT_RELAY)
    with acme.http() as client:
        for feature in SEEN:
            sent = {"feature": feature, "mark": f"{where}: {feature}"}
            assert client.post(f"/v1/tasks/{where}", json=sent).status_code == 202, feature
    own = ["inside"] if where == "inside" else []
    wanted = {feature: sorted(words + own) for feature, words in SEEN.items()}

    def missing() -> dict[str, list[str]]:
        found = {feature: _seen(acme, f"{where}: {feature}") for feature in SEEN}
        return {feature: words for feature, words in found.items() if words != wanted[feature]}

    eventually(lambda: acme.query(_DEAD, f"%{where}%".encode()), what="the one that always fails is dead")
    drain(acme)
    assert missing() == {}
    dead = acme.query(_DEAD, f"%{where}%".encode())
    assert dead == [("failed", 6, "ValueError")], "the default of a plain task: five retries, then the dead letters"


def test_nothing_leaves_a_transaction_that_fails(acme: Stack) -> None:
    """The task dies, and what it sent before was never sent."""
    left_out = {"safe default", "retry", "autoretry_for", "replace"}
    with acme.http() as client:
        for feature in SEEN.keys() - left_out:
            sent = {"feature": f"{feature}_then_fails", "mark": f"failed: {feature}"}
            assert client.post("/v1/tasks/inside", json=sent).status_code == 202
    failed = "SELECT count(*) FROM dead_letters WHERE task_name = 'inside' AND reason = 'failed'"
    eventually(lambda: acme.query(failed) == [(len(SEEN) - len(left_out),)], what="each is dead")
    drain(acme)
    assert acme.query("SELECT * FROM tasks.seen WHERE mark LIKE 'failed: %%'") == []


def test_celerys_own_commands_work(acme: Stack) -> None:
    """`celery -A app` finds the app and its tasks, and asks the workers."""
    celery = {"entrypoint": ["celery", "-A", "app"]}
    assert "acme.see" in acme.run("operator", "inspect", "registered", options=celery)
    assert "pong" in acme.run("operator", "inspect", "ping", options=celery)
    assert "millrace" in acme.run("operator", "report", options=celery)
    acme.run("operator", "call", "acme.see", "--args", '["by hand", "called"]', options=celery)
    eventually(lambda: _seen(acme, "by hand") == ["called"], what="the task that was called ran")


def test_every_item_of_a_list_is_one_task(acme: Stack) -> None:
    """A task that takes single items may be sent a list: it is one job, and each item is a message of its own."""
    acme.ensure("relay-1", "relay-2", **PATIENT_RELAY)
    items = [{"feature": "delay", "mark": f"listed {number}"} for number in range(20)]
    with acme.http() as client:
        job = client.post("/v1/tasks/outside", json=items).raise_for_status().json()
        found = eventually(
            lambda: (now := client.get(job["status_url"]).json())["state"] == "succeeded" and now,
            what="the job is done",
        )
    assert (found["task"], found["counts"]["executed"]) == ("outside", 20)
    drain(acme)
    assert acme.query("SELECT count(*) FROM tasks.seen WHERE mark LIKE 'listed %%'") == [(20,)]
