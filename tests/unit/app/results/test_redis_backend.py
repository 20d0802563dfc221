"""Publishing while Redis cannot be reached, and headers of chords that are refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery import chain, chord, group, signature
from celery.exceptions import SoftTimeLimitExceeded
from pydantic import SecretStr

import app.tasks.canary  # noqa: F401 - registers the task
from app.brokers.celery_app import celery_app, create
from app.brokers.transactional import captured
from app.errors import ChordHeaderError
from app.results.redis_backend import RedisResults
from app.settings import load


@pytest.fixture(autouse=True)
def _no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend whose every connection fails."""
    assert celery_app.backend is not None, "what monkeypatch puts back"
    away = {"redis_host": "nowhere.invalid", "redis_password": SecretStr("secret"), "redis_sentinels": ()}
    monkeypatch.setattr(celery_app, "_backend", create(load().model_copy(update=away)).backend)


def _task(**options: Any) -> Any:
    return signature("canary", app=celery_app).set(immutable=True, **options)


@pytest.mark.parametrize(
    ("made", "messages"),
    [
        (lambda: _task(ignore_result=False), 1),
        (lambda: group(_task(ignore_result=False), _task()), 2),
        (lambda: chain(_task(), group(_task(), _task())), 1),
    ],
)
def test_publishing_asks_nothing_of_redis(made: Any, messages: int) -> None:
    """Tasks with a result and groups are published too, although Celery would subscribe to them first."""
    with captured() as sent:
        made().apply_async()

    assert len(sent) == messages


def test_of_a_chord_all_is_sent_or_nothing() -> None:
    """Celery asked Redis before the last message of the header, when the others had left."""
    with captured() as sent, pytest.raises(redis.ConnectionError):
        chord([_task(), _task()], _task()).apply_async()

    assert sent == []


def test_a_header_that_could_not_be_joined_is_refused() -> None:
    """A chain that ends in a group is refused, because Celery would wait for results that are not kept."""
    with captured() as sent, pytest.raises(ChordHeaderError):
        chord([_task(), chain(_task(), group(_task(), _task()))], _task()).apply_async()

    assert sent == []


def test_a_member_whose_time_is_over_does_not_fail_its_chord(monkeypatch: pytest.MonkeyPatch) -> None:
    """The soft time limit may strike while the body is published: the member comes again and publishes it then."""
    failed: list[Any] = []

    class Backend(RedisResults):
        client = SimpleNamespace(zrange=lambda *_: [])

        def chord_error_from_stack(self, callback: Any, exc: Exception | None = None) -> Exception:
            failed.append(exc)
            return ValueError()

    def interrupted(*_: Any, **__: Any) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(celery_app, "send_task", interrupted)
    backend = Backend(app=celery_app, url="redis://nowhere.invalid")

    with pytest.raises(SoftTimeLimitExceeded):
        backend._end_chord(SimpleNamespace(group="chord-1", chord=dict(_task())))
    assert failed == []
