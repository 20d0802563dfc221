"""A message of a task that this release does not know."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from celery.exceptions import Ignore

from app import contract
from app.brokers.celery_app import celery_app
from app.brokers.transactional import captured
from app.kinds import base, releases
from app.storage.dropped_items import Outcome
from app.storage.inbox import dedupe_key

JOB = UUID(int=1)
Deliver = Callable[..., Any]


@pytest.fixture
def dropped(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The keys and outcomes that are recorded."""
    recorded: list[Any] = []
    monkeypatch.setattr(base, "engine", lambda: SimpleNamespace(begin=nullcontext))
    monkeypatch.setattr(
        base.dropped_items,
        "record_unexecuted",
        lambda _connection, items, outcome: recorded.append((items, outcome)),
    )
    return recorded


@pytest.fixture
def deliver() -> Deliver:
    """Give a message of the unknown task `ship_order` to a worker; returns what the worker sends."""
    stand_in: Any = celery_app.tasks[contract.TASK_WAIT_FOR_RELEASE]

    def delivered(**changes: Any) -> Any:
        headers = {
            "task": "ship_order", "id": "order-7", "retries": 0, contract.MESSAGE_FORM: "theirs",
            contract.MESSAGE_JOB_ID: str(JOB), contract.MESSAGE_KEY: "7", contract.MESSAGE_SCOPE: "shop",
        } | changes  # fmt: skip
        releases.redirect(headers)
        stand_in.push_request(**headers, args=["{}"], kwargs={}, called_directly=False, is_eager=False)
        try:
            with captured() as sent, pytest.raises(Ignore):
                stand_in("{}")
        finally:
            stand_in.pop_request()
        return sent

    return delivered


def revoke(monkeypatch: pytest.MonkeyPatch, *, revoked: bool) -> None:
    """Say whether the job was revoked."""
    monkeypatch.setattr(base, "_is_revoked", lambda _job: revoked)


def test_what_expired_is_known_by_its_own_task(dropped: list[Any], deliver: Deliver) -> None:
    """Its job looks for that key, and would wait for ever for one of `wait_for_release`."""
    assert deliver(**{contract.MESSAGE_DROP_AS: "expired"}) == []
    assert dropped == [({(JOB, dedupe_key("ship_order", "shop", "7"))}, Outcome.EXPIRED)]


def test_what_was_revoked_waits_no_longer(
    dropped: list[Any], deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is recorded and not sent again."""
    revoke(monkeypatch, revoked=True)

    assert deliver() == []
    assert dropped == [({(JOB, dedupe_key("ship_order", "shop", "7"))}, Outcome.REVOKED)]


def test_what_ran_is_not_revoked(dropped: list[Any], deliver: Deliver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its copy comes back only to report that, which a worker of its release does."""
    revoke(monkeypatch, revoked=True)

    [copy] = deliver(**{contract.MESSAGE_RAN: True})

    assert copy.task_name == "ship_order"
    assert dropped == []


@pytest.mark.parametrize("ignored", [True, False, None])
def test_a_copy_asks_for_the_result_as_the_message_did(
    deliver: Deliver, monkeypatch: pytest.MonkeyPatch, *, ignored: bool | None
) -> None:
    """`wait_for_release` ignores its own result, and its sender may wait for that of the other task."""
    revoke(monkeypatch, revoked=False)

    [copy] = deliver(ignore_result=ignored)

    headers = copy.properties["application_headers"]
    assert (copy.task_name, headers["id"], json.loads(copy.body)[0]) == ("ship_order", "order-7", ["{}"])
    assert headers["ignore_result"] is ignored
    assert contract.MESSAGE_RELEASE_SINCE in headers
