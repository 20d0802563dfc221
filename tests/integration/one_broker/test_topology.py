"""Queues come and go with their declaration; what holds work stays."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest

from app import contract
from app.contract import DEFAULT_QUEUES_FILE, QUEUES_FILE_VARIABLE, Role
from app.storage.identifiers import new_id
from tests.harness.messages import publish
from tests.harness.stack import Stack

EXTRA = "extra"
_REMOVE = ("queues", "remove", EXTRA)


@pytest.fixture
def _declared(single: Stack, tmp_path: Path) -> Iterator[None]:
    """One queue more than the others know of."""
    tmp_path.chmod(0o755)
    file = tmp_path / "queues.toml"
    file.write_text(DEFAULT_QUEUES_FILE.read_text() + f'\n[{EXTRA}]\npurpose = "to be removed"\n')
    file.chmod(0o644)
    options = {
        "environment": {QUEUES_FILE_VARIABLE: "/queues/queues.toml"}, "mounts": {str(tmp_path): "/queues"}
    }  # fmt: skip
    # By the operator: the broker's permissions come from the deployment's file, and name no queue more.
    single.operate("topology", **options)
    try:
        yield
    finally:
        for name in (EXTRA, contract.dead_letter_queue(EXTRA)):
            if name in _queues(single):
                single.broker.ask("DELETE", f"/api/queues/{contract.VHOST}/{name}")


def _queues(stack: Stack) -> set[str]:
    return {queue["name"] for queue in stack.broker.ask("GET", f"/api/queues/{contract.VHOST}")}


def _refused(command: Callable[[], str], said: str) -> None:
    with pytest.raises(AssertionError, match=rf"ended with 2(.|\n)*{said}"):
        command()


@pytest.mark.usefixtures("_declared")
def test_an_empty_queue_is_removed_by_an_operator(single: Stack) -> None:
    """With its dead-letter queue, and nothing else: not a declared one, and not a queue that somebody else made."""
    foreign = f"/api/queues/{contract.VHOST}/of-somebody-else"
    single.broker.ask("PUT", foreign, json={"durable": True, "arguments": {"x-queue-type": "quorum"}})
    try:
        before = _queues(single)
        single.run("topology")
        assert _queues(single) == before, "only a person removes a queue"
        with ThreadPoolExecutor() as pool:
            listed = pool.submit(single.operate, "queues", "list")
            names = (contract.EVENT_QUEUE, "of-somebody-else")
            list(pool.map(lambda name: _refused(partial(single.operate, "queues", "remove", name), name), names))
        assert EXTRA in listed.result()
        single.operate(*_REMOVE)
        assert before - _queues(single) == {EXTRA, contract.dead_letter_queue(EXTRA)}
    finally:
        single.broker.ask("DELETE", foreign)


def _assert_kept(stack: Stack, counts: str) -> None:
    """The commands of a deployment and of a person end with 2 and give the reason; neither removes a queue."""
    commands = (partial(stack.run, "topology"), partial(stack.operate, *_REMOVE))
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda command: _refused(command, rf"{EXTRA} \({counts}\)"), commands))
    assert _queues(stack) >= {EXTRA, contract.dead_letter_queue(EXTRA)}


@pytest.mark.usefixtures("_declared")
def test_a_queue_that_holds_work_is_not_removed(single: Stack) -> None:
    """The command ends with 2, and says which queue and how much: a deployment stops before its workers go."""
    dead = contract.dead_letter_queue(EXTRA)
    body = {"properties": {}, "routing_key": dead, "payload": "x", "payload_encoding": "string"}
    exchange = f"/api/exchanges/{contract.VHOST}/{contract.DEAD_LETTER_EXCHANGE}/publish"
    assert single.broker.ask("POST", exchange, json=body) == {"routed": True}
    _assert_kept(single, "0 messages, 1 dead letters")
    single.broker.ask("DELETE", f"/api/queues/{contract.VHOST}/{dead}/contents")
    publish(single, EXTRA, task="t", body=b"[]")
    _assert_kept(single, "1 messages, 0 dead letters")


def test_a_queue_that_the_outbox_needs_is_not_removed(single: Stack) -> None:
    """Work that no relay would ever take: the migration, which comes first, says so."""
    single.query(
        "INSERT INTO outbox_pending (message_id, queue, body_bytes, due_at, available_at) "
        "VALUES (%s, %s, 1, now(), now())",
        new_id(), EXTRA, role=Role.OWNER,
    )  # fmt: skip
    try:
        with pytest.raises(AssertionError, match=rf"ended with 2(.|\n)*{EXTRA} \(1 messages in the outbox\)"):
            single.run("migrate")
    finally:
        single.query("DELETE FROM outbox_pending WHERE queue = %s", EXTRA, role=Role.OWNER)


def test_the_management_api_shows_the_topology_role_its_queues_only(single: Stack) -> None:
    """It reads names and counts; nodes, connections and users are none of its business."""
    password = single.password(Role.TOPOLOGY, "rabbitmq")
    port = single.port(single.nodes[0], contract.PORT_RABBITMQ_MANAGEMENT)
    statuses = {}
    for path in ("queues", "users", "nodes"):
        answer = httpx.get(
            f"https://127.0.0.1:{port}/api/{path}", auth=(str(Role.TOPOLOGY), password), timeout=60, trust_env=False,
            verify=ssl.create_default_context(cafile=str(single.ca_file)),
        )  # fmt: skip
        statuses[path] = answer.status_code

    assert statuses == {"queues": 200, "users": 401, "nodes": 401}
