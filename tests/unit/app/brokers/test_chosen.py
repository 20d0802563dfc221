"""What a broker cannot do is said at the request, in one sentence."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
from kombu.exceptions import OperationalError

from app import settings
from app.brokers import celery_app as module, chosen
from app.brokers.interface import DELAY_SECONDS, Feature
from app.brokers.rabbitmq.broker import RabbitMQ
from app.brokers.redis.broker import Redis
from app.brokers.sqs import topology
from app.brokers.sqs.broker import Sqs
from app.errors import NotOnThisBrokerError


@pytest.fixture
def on_redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process has Redis as its broker."""
    monkeypatch.setenv("MILLRACE_BROKER", "redis")
    monkeypatch.setenv("MILLRACE_REDIS_BROKER_PASSWORD", "secret")
    settings.load.cache_clear()
    chosen.broker.cache_clear()
    yield
    settings.load.cache_clear()
    chosen.broker.cache_clear()


@pytest.fixture
def on_sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process has SQS as its broker."""
    monkeypatch.setenv("MILLRACE_BROKER", "sqs")
    monkeypatch.setenv("MILLRACE_SQS_QUEUE_PREFIX", "https://sqs.eu-central-1.amazonaws.com/1/prod-")
    # A new app takes up every task of this process: of other tests, too, whichever ran before these.
    monkeypatch.setattr("celery._state._on_app_finalizers", set())
    settings.load.cache_clear()
    chosen.broker.cache_clear()
    yield
    settings.load.cache_clear()
    chosen.broker.cache_clear()


def test_rabbitmq_is_the_default_and_can_do_all() -> None:
    """Nothing is refused on it."""
    assert isinstance(chosen.broker(), RabbitMQ)
    assert all(chosen.able(feature) for feature in Feature)


@pytest.mark.parametrize(("kind", "name"), [(Sqs, "SQS"), (Redis, "Redis")])
def test_each_refusal_is_one_sentence(kind: type[Sqs | Redis], name: str) -> None:
    """For people."""
    for feature, sentence in kind.cannot.items():
        assert sentence.endswith("."), feature
        assert name in sentence, feature


@pytest.mark.usefixtures("on_redis")
def test_redis_keeps_any_delay_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A year, too."""
    seen: list[dict[str, object]] = []
    monkeypatch.setattr(module.Celery, "send_task", lambda _app, _name, **options: seen.append(options))

    module.create(settings.load()).send_task("t", countdown=31_536_000)

    assert seen[0][DELAY_SECONDS] == 31_536_000


@pytest.mark.usefixtures("on_redis")
def test_redis_checks_its_certificate() -> None:
    """And no password is in a log: Celery hides it."""
    app = module.create(settings.load())

    assert app.conf.broker_use_ssl["ssl_cert_reqs"] is ssl.CERT_REQUIRED
    assert app.conf.broker_use_ssl["ssl_check_hostname"]
    assert "secret" not in app.connection_for_read().as_uri()


@pytest.mark.usefixtures("on_sqs")
def test_a_feature_that_sqs_does_not_have_is_refused_when_it_is_asked_for() -> None:
    """And not later, by silence."""
    app = module.create(settings.load())

    with pytest.raises(NotOnThisBrokerError, match="priorities"):
        app.send_task("t", priority=5)
    with pytest.raises(NotOnThisBrokerError, match="broadcasts"):
        app.control.inspect(timeout=0.1).ping()


@pytest.mark.usefixtures("on_sqs")
@pytest.mark.parametrize(("asked", "kept"), [(3.2, 4), (900, 900)])
def test_sqs_keeps_a_delay_itself(monkeypatch: pytest.MonkeyPatch, asked: float, kept: int) -> None:
    """An eta would be kept in a worker's memory, and be executed once for each time-out in between."""
    seen: list[dict[str, object]] = []
    monkeypatch.setattr(module.Celery, "send_task", lambda _app, _name, **options: seen.append(options))

    module.create(settings.load()).send_task("t", countdown=asked)

    assert seen[0][DELAY_SECONDS] == kept
    assert "countdown" not in seen[0]


@pytest.mark.usefixtures("on_sqs")
def test_the_outbox_keeps_what_sqs_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its longest delay is fifteen minutes."""
    asked: list[str] = []

    def engine() -> None:
        asked.append("the outbox")
        raise OperationalError("no database in this test")

    monkeypatch.setattr(module, "engine", engine)

    with pytest.raises(OperationalError):
        module.create(settings.load()).send_task("t", countdown=901)

    assert asked == ["the outbox"]


@pytest.mark.usefixtures("on_sqs")
@pytest.mark.parametrize(
    ("login", "asked"),
    [
        ("worker", ["prod-interactive"]),
        ("archiver_b", ["prod-interactive-dead", "prod-bulk-dead", "prod-external-dead"]),
        ("relay", ["prod-interactive", "prod-bulk", "prod-external"]),
        ("beat", []),
    ],
)
def test_each_role_waits_for_the_queues_that_it_may_ask_for(
    monkeypatch: pytest.MonkeyPatch, login: str, asked: list[str]
) -> None:
    """Beat has no rights on SQS at all: a wait for a queue would never end."""
    urls: list[str] = []
    monkeypatch.setattr(topology, "missing_queue", urls.append)

    assert Sqs().missing(settings.Settings(postgresql_user=login)) is None

    assert [url.rpartition("/")[2] for url in urls] == asked
