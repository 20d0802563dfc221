"""Where a job's messages may be when they are dropped: in the outbox, in the broker, with the dead letters."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import UUID

import httpx
import pytest

from app import contract
from app.contract import Role
from tests.harness import jobs, mutants
from tests.harness.messages import event
from tests.harness.stack import PATIENT_RELAY, Stack
from tests.harness.waiting import eventually

LIST_ITEMS = 250


@pytest.fixture
def client(single: Stack) -> Iterator[httpx.Client]:
    """An owner of jobs, who has none yet."""
    with jobs.owner(single) as client:
        yield client


def test_what_waits_in_the_outbox_never_leaves(single: Stack, client: httpx.Client) -> None:
    """Revoked before a relay had it, a job ends without a message; another job with the same key is executed."""
    single.remove("relay-1", "relay-2")
    one = event()
    first, items = jobs.submit(client, one), jobs.submit(client, [event() for _ in range(LIST_ITEMS)])
    for job_id in (first, items):
        assert jobs.revoke(client, job_id)["state"] == "revoking"
    second = jobs.submit(client, one)
    published = _published(single)
    single.ensure("relay-1", **PATIENT_RELAY)

    assert (jobs.ended(client, first)["state"], jobs.ended(client, second)["state"]) == ("revoked", "succeeded")
    ended = jobs.ended(client, items)
    assert (ended["counts"]["revoked"], ended["counts"]["executed"]) == (LIST_ITEMS, 0)
    assert jobs.effects(single, first, second, items) == {UUID(second): 1}
    assert _published(single) <= published + 1, "a message of a revoked job left"


def _published(stack: Stack) -> float:
    """Messages that this relay has published; none before it runs."""
    if "relay-1" not in stack.machines:
        return 0.0
    with stack.metrics_client("relay-1") as metrics:
        lines = metrics.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(contract.METRIC_RELAY_PUBLISHED))


def test_what_expires_is_said_so(single: Stack, client: httpx.Client) -> None:
    """Items that waited too long are expired, whoever drops them: the worker, or the broker by Celery's own option."""
    single.remove("worker-interactive", "worker-bulk")
    expiring = {contract.HEADER_EXPIRES_SECONDS: "1"}
    job_ids = [jobs.submit(client, event(), **expiring), jobs.submit(client, [event(), event()], **expiring)]
    patient = jobs.submit(client, event(), **{contract.HEADER_EXPIRES_SECONDS: "3600"})
    by_the_broker = _expired_by_the_broker(single, client)
    expired_at = time.time() + 1
    eventually(lambda: time.time() > expired_at, what="the items have waited too long")
    single.ensure("worker-interactive", "worker-bulk")

    for job_id in (*job_ids, by_the_broker):
        ended = jobs.ended(client, job_id)
        assert ended["state"] == "expired"
        assert ended["counts"]["expired"] == ended["counts"]["items"]
    assert jobs.ended(client, patient)["state"] == "succeeded"
    assert jobs.effects(single, *job_ids, by_the_broker, patient) == {UUID(patient): 1}


def _expired_by_the_broker(stack: Stack, client: httpx.Client) -> str:
    """A job whose message has what Celery's `expires` gives it: a time to live in the broker, too."""
    stack.remove("relay-1", "relay-2")
    job_id = jobs.submit(client, event())
    stack.query(
        "UPDATE outbox SET properties = jsonb_set(properties::jsonb, '{expiration}', '\"1\"')::json WHERE job_id = %s",
        job_id, role=Role.OWNER,
    )  # fmt: skip
    stack.ensure("relay-1", "relay-2")
    return job_id


def test_dead_letters_of_a_revoked_job_stay_dead(single: Stack, client: httpx.Client) -> None:
    """Replaying one is refused and says why: it would not be executed, and its owner does not want it."""
    single.remove("relay-1", "relay-2")
    job_id = jobs.submit(client, event())
    # Without the header that says that its sender knew the task: it would wait for a worker of another release.
    single.query(
        "UPDATE outbox SET task_name = 'gone', properties = "
        "(replace(properties::text, %s, 'gone')::jsonb #- ARRAY['application_headers', %s])::json WHERE job_id = %s",
        contract.TASK_INGEST_EVENT, contract.MESSAGE_FORM, job_id, role=Role.OWNER,
    )  # fmt: skip
    single.ensure("relay-1", "relay-2")
    assert jobs.ended(client, job_id)["state"] == "dead_lettered"
    assert jobs.revoke(client, job_id)["state"] == "dead_lettered"

    with pytest.raises(AssertionError, match="revoked"):
        single.operate("dead-letters", "replay", "--job", job_id)
    assert single.query("SELECT state FROM dead_letters WHERE job_id = %s", job_id) == [("dead",)]


def test_a_worker_that_ignores_revocations_is_seen(single: Stack, client: httpx.Client) -> None:
    """A planted bug (tests/mutants): with it the job is executed, which the tests above would not take."""
    single.remove("worker-interactive")
    job_id = jobs.submit(client, event())
    eventually(lambda: jobs.told(client, job_id)["state"] == "queued", what="the relay has sent it")
    jobs.revoke(client, job_id)
    mutants.plant(single, "worker-interactive", "revocation_ignored")

    assert jobs.ended(client, job_id)["state"] == "succeeded"
