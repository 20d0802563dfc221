"""Results are kept where a task asks for them; other tasks do not need Redis."""

from __future__ import annotations

import json
from uuid import uuid4

from tests.harness import chords, here
from tests.harness.load import drain
from tests.harness.messages import event
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

DAY_SECONDS = 24 * 3600


def test_results_are_kept_where_asked(cluster: Stack) -> None:
    """In Redis for a day, in PostgreSQL as JSON; either is read by `get` in another process."""
    chords.worker(cluster)

    assert chords.ask(cluster, "passing", 7) == "7"
    assert chords.ask(cluster, "lasting", 8) == "8"

    with cluster.redis() as session:
        [key] = [key for key in session.keys("celery-task-meta-*") if json.loads(session.get(key))["result"] == 7]
        assert 0 < session.ttl(key) <= DAY_SECONDS
    [(state, meta)] = cluster.query("SELECT state, meta FROM results")
    assert (state, json.loads(meta)["result"]) == ("SUCCESS", 8)


def test_what_asks_for_nothing_needs_no_redis(cluster: Stack) -> None:
    """Without Redis the gateway, the relay, the workers and beat start and work; a result in PostgreSQL is kept."""
    cluster.machines["redis"].kill()
    cluster.ensure("gateway", "relay-1", "beat", MILLRACE_VERSION=f"without redis {uuid4()}")
    chords.worker(cluster)
    one = event()
    with cluster.http() as client:
        assert client.post("/v1/events", json=one).status_code == 202
    stored = "SELECT 1 FROM events WHERE event_id = %s"
    eventually(lambda: cluster.query(stored, one["event_id"]), what="the event is stored")
    assert chords.ask(cluster, "lasting", 9) == "9"


def test_a_result_waits_for_redis(cluster: Stack) -> None:
    """A success that cannot be stored yet is no failure: it is stored when Redis is back."""
    chords.worker(cluster, MILLRACE_DEPENDENCY_WAIT_SECONDS="1")
    worker = cluster.machines["worker-interactive"]
    cluster.machines["redis"].kill()
    here.inject(cluster, "interactive", "passing", [11])
    eventually(lambda: "task_parked" in worker.logs(), what="it parked itself")
    cluster.machines["redis"].start_again()
    drain(cluster)
    with cluster.redis() as session:
        kept = [json.loads(session.get(key))["result"] for key in session.keys("celery-task-meta-*")]
    assert 11 in kept
    assert cluster.query("SELECT 1 FROM dead_letters WHERE task_name = 'passing'") == []


def test_the_worker_reaches_only_results(cluster: Stack) -> None:
    """Its user in Redis reads no key of the limiter, and runs no command that names none."""
    asked = (
        "import redis, ssl; from app.settings import load; s = load(); "
        "r = redis.Redis(host=s.redis_host, username=s.redis_user, password=s.redis_password.get_secret_value(), "
        "ssl=True, ssl_ca_certs=s.ca_file)\n"
        "for words in ('GET throttled:x', 'KEYS *', 'FLUSHALL', 'CONFIG GET *', 'SUBSCRIBE x'):\n"
        "    try: print(words, r.execute_command(*words.split()))\n"
        "    except redis.exceptions.NoPermissionError: print(words, 'refused')"
    )
    said = cluster.script("worker-external", asked).splitlines()
    assert [line.split()[-1] for line in said if line] == ["refused"] * 5, said
