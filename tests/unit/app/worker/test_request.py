"""The worker's parent, when Celery would drop a message."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from billiard.einfo import ExceptionInfo
from billiard.exceptions import TimeLimitExceeded
from celery.worker import state
from kombu.message import Message

import app.tasks.canary
import app.tasks.user_events  # noqa: F401 - registers the task, as the line above
from app import contract
from app.brokers.celery_app import celery_app
from app.results.reporting import ReportParked
from app.worker.recorder import recorder
from app.worker.request import MillraceRequest

EVENTS = contract.TASK_INGEST_EVENT
PAST = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    """Clear the ids that Celery remembers, so that tests do not affect each other."""
    state.revoked.clear()
    yield
    state.revoked.clear()


class Delivery:
    """A message, and what was said to the broker about it."""

    def __init__(self, args: Sequence[Any] = (), task: str = contract.TASK_CANARY, **headers: Any) -> None:
        self.answers: list[str] = []
        body: Any = json.dumps([args, {}, {}]).encode()  # bytes, as from the broker, where kombu's type has text
        task_id = str(uuid4())
        known = {"task": task, "id": task_id, "root_id": task_id, "argsrepr": "", "kwargsrepr": ""}
        message = Message(
            body, content_type="application/json", content_encoding="utf-8", headers=known | headers,
            delivery_info={}, properties={},
        )  # fmt: skip
        self.request = MillraceRequest(
            message, app=celery_app, task=celery_app.tasks[task], hostname="w@h",
            on_ack=lambda *_: self.answers.append("acknowledged"),
            on_reject=lambda _log, _errors, requeue: self.answers.append(f"rejected, requeue={requeue}"),
        )  # fmt: skip


def test_what_expired_goes_to_the_child_if_it_has_a_job() -> None:
    """It records that; Celery acknowledged it, and its job was queued for ever (A17). A replay is not dropped."""
    delivery = Delivery(**{"expires": PAST, contract.MESSAGE_JOB_ID: str(uuid4())})

    assert not delivery.request.revoked()
    assert delivery.request.request_dict[contract.MESSAGE_DROP_AS] == "expired"
    assert delivery.answers == []
    assert delivery.request.id not in state.revoked


def test_a_bundle_goes_to_the_child_too() -> None:
    """The items of a bundle belong to jobs, although its message names no job."""
    headers: dict[str, Any] = {"expires": PAST, contract.MESSAGE_BUNDLE: 2}
    delivery = Delivery(**headers)

    assert not delivery.request.revoked()
    assert delivery.request.request_dict[contract.MESSAGE_DROP_AS] == "expired"


@pytest.mark.parametrize(("items", "requeued"), [(1, False), (2, True)])
def test_a_hard_time_limit_ends_one_item_and_halves_several(
    items: int, *, requeued: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, an item that hung took its neighbours into the dead letters; in a bundle they belong to other jobs."""
    monkeypatch.setattr(recorder, "record_before", lambda _failure, then: then())
    delivery = Delivery(args=[[{"key": str(number), "item": "{}"} for number in range(items)]], task=EVENTS)

    delivery.request.on_failure(_overrun())
    delivery.request.on_timeout(soft=False, timeout=1)

    assert delivery.answers == [f"rejected, requeue={requeued}"]


def _overrun() -> ExceptionInfo:
    try:
        raise TimeLimitExceeded(1)
    except TimeLimitExceeded:
        return ExceptionInfo()


def test_what_celery_revoked_goes_to_the_child_if_it_has_a_job() -> None:
    """`celery control revoke` says so as well as the gateway does."""
    delivery = Delivery(**{contract.MESSAGE_JOB_ID: str(uuid4())})
    state.revoked.add(delivery.request.id)

    assert not delivery.request.revoked()
    assert delivery.request.request_dict[contract.MESSAGE_DROP_AS] == "revoked"
    assert delivery.answers == []


def test_what_was_terminated_comes_again_if_it_has_a_job() -> None:
    """Its child was killed in the middle: the next one finds out what to record."""
    delivery = Delivery(**{contract.MESSAGE_JOB_ID: str(uuid4())})

    delivery.request._announce_revoked("terminated", terminated=True, signum="SIGTERM", expired=False)

    assert delivery.answers == ["rejected, requeue=True"]


@pytest.mark.parametrize("headers", [{"expires": PAST}, {}])
def test_what_has_no_job_is_celerys(headers: dict[str, Any]) -> None:
    """Acknowledged at once, as ever."""
    delivery = Delivery(**headers)
    if not headers:
        state.revoked.add(delivery.request.id)

    assert delivery.request.revoked()
    assert delivery.answers == ["acknowledged"]


def test_what_was_parked_to_be_reported_is_no_longer_in_this_worker() -> None:
    """Celery would count it as running for ever, and keep its arguments in memory."""
    delivery = Delivery()
    state.task_reserved(delivery.request)
    state.task_accepted(delivery.request)

    try:
        raise ReportParked("redis is away")
    except ReportParked:
        delivery.request.on_failure(ExceptionInfo())

    assert delivery.answers == ["acknowledged"]
    assert delivery.request.id not in state.requests
    assert delivery.request not in state.reserved_requests
    assert delivery.request not in state.active_requests
