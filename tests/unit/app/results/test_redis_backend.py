"""Publishing while Redis cannot be reached, and headers of chords that are refused."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from celery import chain, chord, group, signature
from pydantic import SecretStr

from app.brokers.celery_app import celery_app, create
from app.brokers.transactional import captured
from app.errors import ChordHeaderError
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
