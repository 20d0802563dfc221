"""Movements of several accounts: workers, relay and broker killed, messages delivered twice, poison in the middle."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx

from app import contract
from app.contract import Role
from tests.harness import jobs, mutants
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

MOVEMENTS = "/v1/tasks/post_movement"
WORKERS = ("worker-interactive", "worker-bulk")

Accepted = dict[str, list[str]]


def _movement(account: str, cents: int = 1) -> dict[str, Any]:
    return {"movement_id": str(uuid4()), "account": account, "cents": cents}


def _accounts(count: int) -> list[str]:
    return [f"a-{uuid4().hex[:20]}" for _ in range(count)]


def _accept(client: httpx.Client, movements: list[dict[str, Any]], accepted: Accepted, **headers: str) -> str:
    """Send movements as one request, and remember in what order they were accepted; returns the job."""
    body = movements if len(movements) > 1 else movements[0]
    answer = client.post(MOVEMENTS, json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    for movement in movements:
        accepted.setdefault(movement["account"], []).append(movement["movement_id"])
    return str(answer.json()["job_id"])


def _send_rounds(stack: Stack, accounts: list[str], rounds: int, after_round: Callable[[int], None]) -> Accepted:
    """Send lists and single movements, which go to different queues, of a few accounts."""
    accepted: Accepted = {}
    with stack.http() as client:
        for number in range(rounds):
            _accept(client, [_movement(account) for account in accounts * 3], accepted)
            for account in accounts:
                _accept(client, [_movement(account)], accepted)
            after_round(number)
    return accepted


def _effects(stack: Stack, account: str) -> list[str]:
    """The account's movements in the order in which they took effect: each reads the number of the one before."""
    rows = stack.query(
        "SELECT number, movement_id FROM tasks.ledger_movements WHERE account = %s ORDER BY number", account
    )
    assert [number for number, _ in rows] == list(range(1, len(rows) + 1)), "a movement took effect twice"
    return [str(movement_id) for _, movement_id in rows]


def _lines(stack: Stack) -> list[tuple[int, int]]:
    """How many items each line has accepted and ended."""
    return [(int(accepted), int(ended)) for accepted, ended in stack.query("SELECT accepted, ended FROM ordered_keys")]


def _deliver_again(stack: Stack, since: datetime) -> None:
    """Send again what was accepted since then and has been sent already."""
    stack.query(
        "INSERT INTO outbox_pending (message_id, queue, body_bytes, due_at, available_at) "
        "SELECT message_id, queue, octet_length(body), now(), now() FROM outbox WHERE job_id IN "
        "(SELECT job_id FROM jobs WHERE task_name = 'post_movement' AND accepted_at >= %s) ON CONFLICT DO NOTHING",
        since, role=Role.OWNER,
    )  # fmt: skip


def _all_posted(stack: Stack, accepted: Accepted, accounts: Iterable[str]) -> None:
    def posted() -> bool:
        return all(len(_effects(stack, account)) >= len(accepted[account]) for account in accounts)

    eventually(posted, what="all movements are posted")
    for account in accounts:
        assert _effects(stack, account) == accepted[account], f"{account}: not in the order of acceptance"


def test_each_account_in_its_order_whoever_dies(single: Stack) -> None:
    """Lists and single movements of six accounts; workers, a relay and the broker die, all messages come twice."""
    accounts = _accounts(6)
    [(since,)] = single.query("SELECT now()")

    def disturb(number: int) -> None:
        if number == 3:
            _deliver_again(single, since)
            single.machines["worker-interactive"].kill_child()
            single.machines["worker-bulk"].kill()
            single.machines["worker-bulk"].start_again()
        if number == 6:
            single.machines["relay-1"].kill()
            single.machines["relay-1"].start_again()
            single.machines["worker-interactive"].kill()
            single.machines["worker-interactive"].start_again()
        if number == 8:
            [node] = single.nodes
            single.machines[node].kill()
            single.machines[node].start_again()

    with ThreadPoolExecutor() as pool:
        sending = [
            pool.submit(_send_rounds, single, accounts[:2], 10, disturb),
            pool.submit(_send_rounds, single, accounts[2:4], 10, lambda _: None),
            pool.submit(_send_rounds, single, accounts[4:], 10, lambda _: None),
        ]
        accepted: Accepted = {}
        for one in sending:
            accepted |= one.result()
    _all_posted(single, accepted, accounts)
    _deliver_again(single, since)
    eventually(lambda: not single.query("SELECT 1 FROM outbox_pending LIMIT 1"), what="all is sent once more")
    eventually(lambda: not single.broker.messages(), what="all came once more")
    _all_posted(single, accepted, accounts)
    assert _lines(single) == [], "a line that nobody stands in leaves nothing"
    assert single.query("SELECT 1 FROM ordered_items") == []


def test_an_account_stops_at_its_poison(single: Stack) -> None:
    """Movements behind a dead one wait until it is discarded or replayed; other accounts go on."""
    discarded, replayed, other = _accounts(3)
    accepted: Accepted = {}
    with single.http() as client:
        dead = {}
        for account in (discarded, replayed):
            _accept(client, [_movement(account, 100)], accepted)
            dead[account] = _accept(client, [_movement(account, -500)], accepted)
            for _ in range(3):
                _accept(client, [_movement(account), _movement(account)], accepted)
        _accept(client, [_movement(other), _movement(other)], accepted)
    letters = "SELECT count(*) FROM dead_letters WHERE task_name = 'post_movement' AND state = 'dead'"
    eventually(lambda: single.query(letters) == [(2,)], what="both poisonous movements are dead")
    _all_posted(single, accepted, [other])
    eventually(lambda: not single.broker.messages(), what="nothing is under way")
    for account in (discarded, replayed):
        assert _effects(single, account) == accepted[account][:1], "a movement overtook the dead one"

    single.operate("dead-letters", "discard", "--job", dead[discarded], "--note", "nobody has so much")
    accepted[discarded].pop(1)
    _all_posted(single, accepted, [discarded])
    assert _effects(single, replayed) == accepted[replayed][:1]

    single.query("UPDATE tasks.ledger_accounts SET cents = 1000 WHERE account = %s", replayed, role=Role.OWNER)
    single.operate("dead-letters", "replay", "--job", dead[replayed], "--note", "money came")
    _all_posted(single, accepted, [replayed])
    assert _lines(single) == []


def test_a_pause_and_a_purge_keep_the_order(single: Stack) -> None:
    """The first message of a line is held by a worker, then lost by the broker; the others wait behind it."""
    accounts = _accounts(2)
    accepted: Accepted = {}
    [(since,)] = single.query("SELECT now()")
    single.remove(*WORKERS)
    with single.http() as client:
        for _ in range(3):  # each job has items that wait behind one that is lost
            _accept(client, [_movement(account) for account in accounts * 2], accepted)
        eventually(lambda: sum(single.broker.messages().values()) == 2, what="the first of each line is in the broker")
        single.operate("pauses", "pause", "--task", "post_movement", "--note", "test")
        single.ensure(*WORKERS)
        eventually(lambda: single.query("SELECT count(*) FROM outbox_held") == [(len(accounts),)], what="they are held")
        _accept(client, [_movement(account) for account in accounts], accepted)
    single.remove(*WORKERS)
    single.operate("pauses", "resume", "--task", "post_movement")
    eventually(
        lambda: sum(single.broker.messages().values()) == 2, what="the first of each line is in the broker again"
    )
    single.broker.lose_messages()
    single.operate("reconcile", "--older-than-seconds", "0")
    # Other tests' jobs may have vanished messages, too.
    put_back = "SELECT count(*) FROM put_back JOIN jobs USING (job_id) WHERE accepted_at >= %s"
    assert single.query(put_back, since) == [(len(accounts),)]
    single.ensure(*WORKERS)
    _all_posted(single, accepted, accounts)
    assert _lines(single) == []


def test_what_is_dropped_holds_nobody_up(single: Stack) -> None:
    """Movements of a revoked job, and movements that expired, end when it is their turn."""
    [account] = _accounts(1)
    accepted: Accepted = {}
    dropped: Accepted = {}
    single.remove(*WORKERS)
    with jobs.owner(single) as client:
        _accept(client, [_movement(account)], accepted)
        revoked = _accept(client, [_movement(account) for _ in range(5)], dropped)
        _accept(client, [_movement(account)], accepted)
        expired = _accept(client, [_movement(account)], dropped, **{contract.HEADER_EXPIRES_SECONDS: "1"})
        _accept(client, [_movement(account), _movement(account)], accepted)
        jobs.revoke(client, revoked)
        ended = "SELECT now() > accepted_at + interval '1 second' FROM jobs WHERE job_id = %s"
        eventually(lambda: single.query(ended, expired) == [(True,)], what="it has expired")
        single.ensure(*WORKERS)
        assert jobs.ended(client, revoked)["state"] == "revoked"
        assert jobs.ended(client, expired)["state"] == "expired"
    _all_posted(single, accepted, [account])
    eventually(lambda: _lines(single) == [], what="the line is empty")


def test_without_order_it_is_seen(single: Stack) -> None:
    """A planted bug (tests/mutants): messages do not wait for their turn. The same check finds disorder."""
    mutants.plant(single, "gateway", "no_order")
    # Single movements are executed before the lists that were accepted before them, however slow everybody is.
    single.remove(*WORKERS)
    accounts = _accounts(4)
    accepted = _send_rounds(single, accounts, 10, lambda _: None)
    single.ensure("worker-interactive")
    eventually(lambda: all(_effects(single, account) for account in accounts), what="single movements are posted")
    single.ensure("worker-bulk")
    eventually(
        lambda: all(len(_effects(single, account)) == len(accepted[account]) for account in accounts),
        what="all movements are posted",
    )
    assert any(_effects(single, account) != accepted[account] for account in accounts)
