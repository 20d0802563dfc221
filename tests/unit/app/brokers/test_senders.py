"""Which headers of a message a worker keeps depends on the sender."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from app import contract
from app.brokers.celery_app import celery_app
from app.brokers.senders import believed, overreach
from app.contract import Role

FORGED: dict[str, Any] = {
    contract.MESSAGE_SCOPE: "somebody's key",
    contract.MESSAGE_JOB_ID: "somebody's job",
    "headers": {contract.MESSAGE_SCOPE: "after a retry"},
    "stamped_headers": ["queue"],
    "stamps": {"queue": "another"},
}
OWN = {"task": "ingest_user_event", "id": "1", contract.MESSAGE_KEY: "order-7", "mine": 7}


@pytest.mark.parametrize("properties", [{}, {"user_id": "producer-billing"}, {"user_id": "worker-legacy"}])
def test_only_our_own_processes_say_whose_key_it_is(properties: dict[str, str]) -> None:
    """With another's scope a producer could occupy that API key's keys; Celery would copy three more into a retry."""
    assert believed(OWN | FORGED, properties) == OWN
    assert believed(OWN | FORGED, {"user_id": str(Role.RELAY)}) == OWN | FORGED


def test_a_stranger_sets_none_of_our_headers_but_three() -> None:
    """With the others it could make a worker drop, keep or redirect its message; one that we add later is ours, too."""
    every = {value for name, value in vars(contract).items() if name.startswith("MESSAGE_")} - {contract.MESSAGE_PREFIX}
    ours = {name for name in every if name.startswith(contract.MESSAGE_PREFIX)} | {"millrace_added_later"}
    headers = dict.fromkeys(ours, "forged")

    assert contract.MESSAGE_DROP_AS in ours
    assert set(believed(headers, {"user_id": "producer-billing"})) == {
        contract.MESSAGE_KEY, contract.MESSAGE_CORRELATION_ID, contract.MESSAGE_PUBLISHED_AT
    }  # fmt: skip
    assert believed(headers, {"user_id": str(Role.WORKER)}) == headers


def test_a_stranger_may_not_have_a_message_sent_on() -> None:
    """`wait_for_release` sends a task of any name, as a worker."""
    headers = OWN | {"task": contract.TASK_WAIT_FOR_RELEASE}

    assert contract.TASK_WAIT_FOR_RELEASE in (overreach(headers, {}, {"user_id": "producer-billing"}) or "")
    assert overreach(headers, {}, {"user_id": str(Role.WORKER)}) is None


@pytest.mark.parametrize("name", ["callbacks", "errbacks", "chain", "chord"])
def test_nobody_else_says_what_a_worker_sends_afterwards(name: str) -> None:
    """Links, chains and chords of outsiders are refused, because a worker sends them with its own rights."""
    link = [{"task": "ingest_user_event", "options": {"queue": "bulk"}}]

    assert f"`{name}`" in (overreach(OWN, {name: link}, {}) or "")
    assert f"`{name}`" in (overreach(OWN | {name: link}, {}, {"user_id": "producer-billing"}) or "")
    assert overreach(OWN, {name: link}, {"user_id": str(Role.WORKER)}) is None
    assert overreach(OWN, {name: None}, {}) is None


def test_what_a_worker_sends_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker publishes as itself, or the next worker would drop the headers of its chains and retries."""
    sent: dict[str, Any] = {}
    monkeypatch.setattr(celery_app.amqp, "send_task_message", lambda *_, **options: sent.update(options))
    producer = SimpleNamespace(connection=SimpleNamespace(_reraise_as_library_errors=nullcontext))
    celery_app.send_task(contract.TASK_CANARY, producer=producer, queue="bulk")

    assert "user_id" in sent
