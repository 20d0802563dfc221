"""The worker's connection: its steps, its queues, and which messages it lets through."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from celery.app.task import Context
from celery.worker import state
from hypothesis import example, given, strategies as st
from kombu.message import Message

import app.tasks.canary  # noqa: F401 - registers the task
from app import contract
from app.brokers.celery_app import celery_app
from app.brokers.senders import USER_ID
from app.contract import Role
from app.kinds.evidence import failure_of
from app.kinds.retries import retry_delay_seconds
from app.worker.consumer import MillraceConsumer, flaw_of, forget_past_delay

TASK = {"task": "ingest_user_event", "id": "1"}


def test_a_worker_declares_nothing_and_gossips_with_nobody() -> None:
    """The steps that cost a second at each reconnect, or a permission, are left out; the heartbeat is in."""
    names = set(MillraceConsumer.Blueprint().claim_steps())

    assert not {name for name in names if "DelayedDelivery" in name or "Gossip" in name or "Mingle" in name}
    assert any(name.endswith("Heartbeat") for name in names)
    assert any(name.endswith("Tasks") for name in names)


def test_every_connection_has_a_control_queue_of_its_own() -> None:
    """With a fixed name a worker never resumes while its killed node stays dead (RabbitMQ 4.3)."""
    control: Any = celery_app.control  # to its type it has no mailbox

    names = {control.mailbox.get_queue("interactive@host").name for _ in range(3)}

    assert len(names) == 3


def test_the_connection_for_events_waits_for_no_confirms() -> None:
    """With confirms, a dead node's event queue would stop every worker. Tasks are still confirmed."""
    consumer: Any = MillraceConsumer.__new__(MillraceConsumer)
    consumer.app = celery_app
    consumer.ensure_connected = lambda connection: connection

    events = consumer.connection_for_write(heartbeat=5)

    assert events.transport_options["confirm_publish"] is False
    assert events.heartbeat == 5
    options = celery_app.connection_for_write().transport_options
    assert options is not None
    assert options["confirm_publish"] is True


@pytest.mark.parametrize(
    ("headers", "payload", "flawed"),
    [
        (TASK, [[], {}, {}], False),
        (TASK, [[], {}, None], False),
        (TASK | {"id": "order-7"}, [[], {}, {}], False),
        (TASK, {"a": 1}, True),
        (TASK, None, True),
        (TASK, [[], {}], True),
        (TASK, [{}, [], {}], True),
        (TASK, [[], {}, {"callbacks": 5}], True),
        (TASK, [[], {}, {"id": "another"}], True),
        ({"task": "ingest_user_event"}, [[], {}, {}], True),
        ({"task": 7, "id": "1"}, [[], {}, {}], True),
        (TASK | {"id": ""}, [[], {}, {}], True),
        ({}, {"task": "protocol one"}, False),
        (None, {}, False),
    ],
)
def test_a_message_that_would_end_the_worker_is_told(headers: Any, payload: Any, *, flawed: bool) -> None:
    """Celery takes for granted that a task has an id and a body of [args, kwargs, embed]; else the worker ends."""
    message = SimpleNamespace(headers=headers, payload=payload, properties={})

    assert (flaw_of(message) is not None) == flawed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timelimit", 90), ("timelimit", "abc"), ("timelimit", [1]), ("eta", 5), ("eta", ""), ("expires", []),
        ("retries", "x"), ("retries", 2**40), ("group", {"a": 1}), ("root_id", 7), ("argsrepr", 1),
        ("stamped_headers", 3), ("errbacks", 5), (contract.MESSAGE_JOB_ID, "job-7"),
        (contract.MESSAGE_PUBLISHED_AT, "now"),
    ],
)  # fmt: skip
def test_a_malformed_header_is_named_with_its_value(name: str, value: Any) -> None:
    """BR-14: whoever reads the dead letter knows what to mend."""
    flaw = flaw_of(SimpleNamespace(headers=TASK | {name: value}, payload=[[], {}, {}], properties={}))

    assert flaw is not None
    assert f"`{name}`" in flaw
    assert repr(value) in flaw


def test_a_message_of_the_first_protocol_is_no_task() -> None:
    """BR-14: Celery 5.7 takes its shape for granted, too: without an id in its body the worker ended."""
    consumer: Any = MillraceConsumer.__new__(MillraceConsumer)
    consumer.strategies, consumer.call_soon_ack, consumer.on_task_message = {}, None, ()
    rejected: list[Any] = []
    consumer._reject = lambda _message, reason, _error: rejected.append(reason)

    consumer.create_task_handler()(_message({}, {"task": contract.TASK_CANARY}))

    assert rejected == ["not_a_task"]


@pytest.mark.parametrize(
    ("headers", "handled"),
    [
        ({contract.MESSAGE_FORM: "theirs"}, contract.TASK_WAIT_FOR_RELEASE),
        ({contract.MESSAGE_FORM: "theirs", contract.MESSAGE_RELEASE_SINCE: 1.0}, "added"),
        ({}, "added"),
    ],
    ids=["its sender knew it", "its patience is over", "nobody knew it"],
)
def test_a_message_of_an_unknown_task_waits_if_its_sender_knew_the_task(headers: dict[str, Any], handled: str) -> None:
    """Otherwise Celery's handler finds no such task, and it is rejected."""
    consumer: Any = MillraceConsumer.__new__(MillraceConsumer)
    consumer.app, consumer.call_soon_ack, consumer.on_task_message = celery_app, None, ()
    names: list[str] = []
    consumer._maximum_prefetch_restored = True
    consumer.strategies = {contract.TASK_WAIT_FOR_RELEASE: lambda *_: names.append(contract.TASK_WAIT_FOR_RELEASE)}
    consumer.on_unknown_task = lambda _body, message, _error: names.append(message.headers["task"])
    message = _message({"task": "added", "id": "order-7", **headers}, [[], {}, {}])
    message.properties[USER_ID] = Role.RELAY

    consumer.create_task_handler()(message)

    assert names == [handled]


#: As Celery itself sends them.
_GOOD: dict[str, Any] = {
    "task": contract.TASK_CANARY, "id": "order-7", "root_id": "order-7", "parent_id": None, "group": None,
    "group_index": None, "lang": "py", "shadow": None, "eta": None, "expires": None, "retries": 0,
    "timelimit": [None, None], "argsrepr": "()", "kwargsrepr": "{}", "origin": "gen1@h", "ignore_result": True,
    "replaced_task_nesting": 0, "stamped_headers": None, "stamps": {},
}  # fmt: skip
_OTHER = ("meth", "is_eager", "headers", "chord", "chain", "callbacks", "errbacks", "reply_to", "delivery_info", "utc")
_OURS = (
    contract.MESSAGE_JOB_ID, contract.MESSAGE_PUBLISHED_AT, contract.MESSAGE_CORRELATION_ID,
    contract.MESSAGE_TRACEPARENT, contract.MESSAGE_PARKED_SINCE, contract.MESSAGE_FORM, contract.MESSAGE_TASK,
)  # fmt: skip
_EMBEDDED = ("callbacks", "errbacks", "chain", "chord", "args", "id")
_PLAUSIBLE = st.sampled_from([
    [90, 30], [0, None], [1.5, 1e300], "2026-01-01T00:00:00", "2099-01-01T00:00:00+02:00", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "2026-W01", "x", 3, 2**63, 1e400, {"a": 1}, ["a"], [{}],
])  # fmt: skip
_WILD = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
    | st.datetimes() | st.lists(st.integers(), max_size=3) | st.dictionaries(st.text(max_size=3), st.none(), max_size=2)
)  # fmt: skip
_VALUES = _PLAUSIBLE | _WILD


def _message(headers: dict[str, Any], body: Any) -> Message:
    sent: Any = json.dumps(body).encode()  # bytes, as from the broker, where kombu's type has text
    return Message(
        body=sent, headers=headers, content_type="application/json", content_encoding="utf-8",
        properties={}, delivery_info={}, accept={"application/json"},
    )  # fmt: skip


def _consumer(taken: list[Any]) -> Any:
    """As much of a consumer as Celery's own strategy asks for."""
    return SimpleNamespace(
        app=celery_app, hostname="bulk@host", connection_errors=(), event_dispatcher=None, disable_rate_limits=False,
        timer=SimpleNamespace(call_at=lambda _at, _call, arguments, **_: taken.append(arguments[0])),
        apply_eta_task=None, task_buckets={contract.TASK_CANARY: None}, on_task_request=taken.append,
        _limit_task=None, _limit_post_eta=None, controller=SimpleNamespace(state=state),
        pool=SimpleNamespace(apply_async=lambda *_, **__: None),
        qos=SimpleNamespace(increment_eventually=lambda: None),
    )  # fmt: skip


@given(
    changed=st.dictionaries(st.sampled_from([*_GOOD, *_OTHER, *_OURS]), _VALUES, max_size=3),
    embed=st.none()
    | st.dictionaries(st.sampled_from(_EMBEDDED), _PLAUSIBLE | st.none() | st.lists(st.none(), max_size=1), max_size=2),
)
@example(changed={"timelimit": 90}, embed={})
@example(changed={"expires": []}, embed={})
@example(changed={"eta": datetime(1, 1, 1, tzinfo=UTC)}, embed={})
@example(changed={"retries": 32_766}, embed=None)
def test_what_is_let_through_can_be_run(changed: dict[str, Any], embed: dict[str, Any] | None) -> None:
    """BR-14: Celery's strategy, its request, the pool and the child's context take whatever `flaw_of` lets through."""
    message = _message(_GOOD | changed, [[], {}, embed])
    if changed.get("task", contract.TASK_CANARY) != contract.TASK_CANARY or flaw_of(message) is not None:
        return
    state.revoked.clear()  # an example that expires is remembered by its id
    taken: list[Any] = []
    task: Any = celery_app.tasks[contract.TASK_CANARY]
    rejected: list[Any] = []

    task.start_strategy(celery_app, _consumer(taken))(message, None, lambda *_: None, rejected.append, [])

    assert not rejected
    for request in taken:
        request.on_accepted(1, 0.0)
        if not request.revoked():
            request.execute_using_pool(None)
        str(request), request.info(safe=True), request._context, request.stamps
        context = Context(request.request_dict, args=request.args, called_directly=False, kwargs=request.kwargs)
        context.as_execution_options()
        assert failure_of(vars(context), ValueError(), reason="failed", worker="w") is not None
        retry_delay_seconds(int(context.retries or 0), base_seconds=2.0)


@pytest.mark.parametrize(
    ("ahead_seconds", "key", "kept"),
    [(3600, "0.0.1.bulk", False), (0.5, "0.0.1.bulk", True), (-5, "0.0.1.bulk", True), (3600, "bulk", True)],
)
def test_a_clock_that_is_ahead_holds_no_message(ahead_seconds: float, key: str, kept: bool) -> None:
    """A message from the delay ladder is due, whatever its sender's clock said; any other eta is kept."""
    eta = (datetime.now(UTC) + timedelta(seconds=ahead_seconds)).isoformat()
    message = SimpleNamespace(headers={**TASK, "eta": eta}, delivery_info={"routing_key": key})
    forget_past_delay(message)
    assert message.headers["eta"] == (eta if kept else None)
