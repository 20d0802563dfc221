"""Jobs on real servers: their owner finds them again and may revoke them; an item has one end, never two."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
import pytest

from app import contract
from app.contract import Role, Scope
from infra.local.state import REPOSITORY
from tests.harness.messages import event
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually

EVENTS, JOBS = "/v1/events", "/v1/jobs"
#: Jobs that are revoked while workers run; every third is a list.
RACERS = 90
LIST_ITEMS = 250

Job = dict[str, Any]


@pytest.fixture
def client(single: Stack) -> Iterator[httpx.Client]:
    """An owner of jobs with a key of its own, so that its list is empty at first."""
    with single.http(headers={contract.HEADER_API_KEY: _key(single)}) as client:
        yield client


def _key(stack: Stack) -> str:
    scopes = [part for scope in (Scope.TASKS_WRITE, Scope.JOBS_READ) for part in ("--scope", str(scope))]
    return stack.operate("api-keys", "create", "--name", "jobs", *scopes, "--requests-per-second", "5000").split()[-1]


def _submit(client: httpx.Client, body: Any, **headers: str) -> str:
    answer = client.post(EVENTS, json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def _job(client: httpx.Client, job_id: str) -> Job:
    job: Job = client.get(f"{JOBS}/{job_id}").raise_for_status().json()
    return job


def _revoke(client: httpx.Client, job_id: str) -> Job:
    job: Job = client.post(f"{JOBS}/{job_id}/revoke").raise_for_status().json()
    return job


def _list(client: httpx.Client, **query: Any) -> list[Job]:
    """All pages."""
    found: list[Job] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get(JOBS, params={**query, **cursor}).raise_for_status().json()
        found += page["jobs"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


def _ended(client: httpx.Client, job_id: str) -> Job:
    def ended() -> Job | None:
        job = _job(client, job_id)
        return job if job["counts"]["waiting"] == 0 else None

    job = eventually(ended, what=f"each item of {job_id} has ended")
    assert job is not None
    return job


def _effects(stack: Stack, *job_ids: str) -> Counter[UUID]:
    rows = stack.query("SELECT job_id, count(*) FROM events WHERE job_id = ANY(%s::uuid[]) GROUP BY 1", list(job_ids))
    return Counter(dict(rows))


def test_jobs_are_listed_newest_first_page_by_page(single: Stack, client: httpx.Client) -> None:
    """Each job of the key once, and none of another key's; filters by task, state and time hold on every page."""
    made = [_submit(client, event()) for _ in range(5)] + [_submit(client, [event(), event()])]
    for job_id in made:
        _ended(client, job_id)
    single.remove("worker-interactive")
    waiting = _submit(client, event())

    for limit in (1, 2, 7, 200):
        assert [job["job_id"] for job in _list(client, limit=limit)] == [waiting, *reversed(made)]
    with single.http(headers={contract.HEADER_API_KEY: _key(single)}) as stranger:
        assert _list(stranger) == []
    assert [job["job_id"] for job in _list(client, state="succeeded", limit=2)] == list(reversed(made))
    eventually(lambda: _job(client, waiting)["state"] == "queued", what="the relay has sent it")
    assert [job["job_id"] for job in _list(client, state="queued", limit=1)] == [waiting]
    assert _list(client, state="discarded", limit=1) == []
    third = _job(client, made[2])
    assert third in _list(client, task=contract.TASK_INGEST_EVENT), "a job of the list is not what it is by itself"
    assert _list(client, task=contract.TASK_DRILL) == []
    since = _list(client, accepted_after=third["accepted_at"])
    before = _list(client, accepted_before=third["accepted_at"])
    assert [job["job_id"] for job in since] == [waiting, *reversed(made[2:])]
    assert [job["job_id"] for job in before] == list(reversed(made[:2]))


def test_a_wrong_parameter_is_named(client: httpx.Client) -> None:
    """422, with the parameter's name; nothing is guessed."""
    wrong = {
        "tusk": "x", "task": "nobody_declares_this", "state": "lost", "accepted_after": "yesterday",
        "accepted_before": "0", "limit": "201", "cursor": "AAAA",
    }  # fmt: skip
    for name, value in wrong.items():
        answer = client.get(JOBS, params={name: value})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, name), answer.text
    assert client.get(JOBS, params=[("limit", "1"), ("limit", "2")]).status_code == 422


def test_what_waits_in_the_outbox_never_leaves(single: Stack, client: httpx.Client) -> None:
    """Revoked before a relay had it, a job ends without a message; another job with the same key is executed."""
    single.remove("relay-1", "relay-2")
    one = event()
    first, items = _submit(client, one), _submit(client, [event() for _ in range(LIST_ITEMS)])
    for job_id in (first, items):
        assert _revoke(client, job_id)["state"] == "revoking"
    second = _submit(client, one)
    published = _published(single)
    single.ensure("relay-1")

    assert (_ended(client, first)["state"], _ended(client, second)["state"]) == ("revoked", "succeeded")
    ended = _ended(client, items)
    assert (ended["counts"]["revoked"], ended["counts"]["executed"]) == (LIST_ITEMS, 0)
    assert _effects(single, first, second, items) == {UUID(second): 1}
    assert _published(single) <= published + 1, "a message of a revoked job left"


def _published(stack: Stack) -> float:
    """Messages that this relay has published; none before it runs."""
    if "relay-1" not in stack.machines:
        return 0.0
    with stack.metrics_client("relay-1") as metrics:
        lines = metrics.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(contract.METRIC_RELAY_PUBLISHED))


def test_what_is_in_the_broker_is_dropped(single: Stack, client: httpx.Client) -> None:
    """The worker acknowledges revoked messages, counts them, and leaves no dead letter; twice is once."""
    single.remove("worker-interactive", "worker-bulk")
    job_ids = [_submit(client, event()), _submit(client, [event() for _ in range(LIST_ITEMS)])]
    for job_id in job_ids:
        eventually(lambda job_id=job_id: _job(client, job_id)["state"] == "queued", what="the relay has sent it")
        revoked_at = {_revoke(client, job_id)["revoked_at"] for _ in range(2)}
        assert len(revoked_at) == 1
    with single.http(headers={contract.HEADER_API_KEY: _key(single)}) as stranger:
        assert stranger.post(f"{JOBS}/{job_ids[0]}/revoke").status_code == 404
    single.ensure("worker-interactive", "worker-bulk")

    for job_id, items in zip(job_ids, (1, LIST_ITEMS), strict=True):
        ended = _ended(client, job_id)
        assert (ended["state"], ended["counts"]["revoked"]) == ("revoked", items)
        assert ended["finished_at"] >= ended["revoked_at"]
        assert _revoke(client, job_id) == ended
    assert not _effects(single, *job_ids)
    assert single.query("SELECT 1 FROM dead_letters WHERE job_id = ANY(%s::uuid[])", job_ids) == []
    eventually(lambda: not single.broker.messages(), what="the messages are acknowledged")
    with single.metrics_client("worker-interactive") as metrics:
        counted = [line for line in metrics.get("/metrics").text.splitlines() if 'outcome="revoked"' in line]
    assert any(contract.TASK_INGEST_EVENT in line and line.endswith(" 1.0") for line in counted), counted


def test_revoked_while_workers_run(single: Stack, client: httpx.Client) -> None:
    """Each item of each job is executed or revoked, as the effects say too; and what ended stays as it ended."""
    bodies = [[event() for _ in range(LIST_ITEMS)] if number % 3 == 0 else event() for number in range(RACERS)]
    with ThreadPoolExecutor(8) as pool:
        job_ids = list(pool.map(lambda body: _submit(client, body), bodies))
        list(pool.map(lambda job_id: _revoke(client, job_id), reversed(job_ids)))
    told = {job_id: _ended(client, job_id) for job_id in job_ids}
    eventually(lambda: not single.broker.messages(), what="every message is acknowledged")

    outcomes = Counter[str]()
    effects = _effects(single, *job_ids)
    for job_id, job in told.items():
        counts = job["counts"]
        assert counts["executed"] + counts["revoked"] == counts["items"], job
        assert counts["executed"] == effects[UUID(job_id)], job
        assert _job(client, job_id) == job, "it had ended"
        outcomes += Counter({name: counts[name] for name in ("executed", "revoked")})
    assert outcomes.keys() == {"executed", "revoked"}, f"there was no race: {outcomes}"


def test_what_expires_is_said_so(single: Stack, client: httpx.Client) -> None:
    """Items that waited too long are expired, whoever drops them: the worker, or the broker by Celery's own option."""
    single.remove("worker-interactive", "worker-bulk")
    expiring = {contract.HEADER_EXPIRES_SECONDS: "1"}
    job_ids = [_submit(client, event(), **expiring), _submit(client, [event(), event()], **expiring)]
    patient = _submit(client, event(), **{contract.HEADER_EXPIRES_SECONDS: "3600"})
    by_the_broker = _expired_by_the_broker(single, client)
    expired_at = time.time() + 1
    eventually(lambda: time.time() > expired_at, what="the items have waited too long")
    single.ensure("worker-interactive", "worker-bulk")

    for job_id in (*job_ids, by_the_broker):
        ended = _ended(client, job_id)
        assert ended["state"] == "expired"
        assert ended["counts"]["expired"] == ended["counts"]["items"]
    assert _ended(client, patient)["state"] == "succeeded"
    assert _effects(single, *job_ids, by_the_broker, patient) == {UUID(patient): 1}


def _expired_by_the_broker(stack: Stack, client: httpx.Client) -> str:
    """A job whose message has what Celery's `expires` gives it: a time to live in the broker, too."""
    stack.remove("relay-1", "relay-2")
    job_id = _submit(client, event())
    stack.query(
        "UPDATE outbox SET properties = jsonb_set(properties::jsonb, '{expiration}', '\"1\"')::json WHERE job_id = %s",
        job_id, role=Role.OWNER,
    )  # fmt: skip
    stack.ensure("relay-1", "relay-2")
    return job_id


def test_dead_letters_of_a_revoked_job_stay_dead(single: Stack, client: httpx.Client) -> None:
    """Replaying one is refused and says why: it would not be executed, and its owner does not want it."""
    single.remove("relay-1", "relay-2")
    job_id = _submit(client, event())
    single.query("UPDATE outbox SET task_name = 'gone', properties = replace(properties::text, %s, 'gone')::json"
                 " WHERE job_id = %s", contract.TASK_INGEST_EVENT, job_id, role=Role.OWNER)  # fmt: skip
    single.ensure("relay-1", "relay-2")
    assert _ended(client, job_id)["state"] == "dead_lettered"
    assert _revoke(client, job_id)["state"] == "dead_lettered"

    with pytest.raises(AssertionError, match="revoked"):
        single.operate("dead-letters", "replay", "--job", job_id)
    assert single.query("SELECT state FROM dead_letters WHERE job_id = %s", job_id) == [("dead",)]


def test_a_worker_that_ignores_revocations_is_seen(single: Stack, client: httpx.Client) -> None:
    """A planted bug (tests/mutants): with it the job is executed, which the tests above would not take."""
    single.remove("worker-interactive")
    job_id = _submit(client, event())
    eventually(lambda: _job(client, job_id)["state"] == "queued", what="the relay has sent it")
    _revoke(client, job_id)
    single.replace(
        "worker-interactive", environment=QUICK, mounts={str(REPOSITORY / "tests" / "mutants"): "/mutants"},
        options={"entrypoint": ["tini", "--", "python", "/mutants/revocation_ignored.py"]},
    )  # fmt: skip

    assert _ended(client, job_id)["state"] == "succeeded"
