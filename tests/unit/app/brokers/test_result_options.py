"""Celery's options for results, by what a process knows of Redis."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from celery.app.backends import by_url
from pydantic import SecretStr

from app.brokers.celery_app import create
from app.brokers.result_options import result_options
from app.results.redis_backend import RedisResults, SentinelResults
from app.settings import Settings, load

WORKER = {"redis_user": "worker", "redis_password": SecretStr("secret-of-worker")}


def _settings(**values: object) -> Settings:
    return load().model_copy(update=values)


def test_who_has_no_password_has_no_backend() -> None:
    """Relay, archiver and beat have no backend; no task stores a result by default."""
    options = result_options(_settings(redis_password=SecretStr("")))

    assert "result_backend" not in options
    assert options["task_ignore_result"] is True


@pytest.mark.parametrize(("sentinels", "backend"), [((), RedisResults), (("a", "b", "c"), SentinelResults)])
def test_redis_is_reached_over_tls_with_a_user(sentinels: tuple[str, ...], backend: type) -> None:
    """The server's certificate is checked, and its name; no password stands in a URL; keys expire after a day."""
    options = result_options(_settings(redis_sentinels=sentinels, **WORKER))
    app = create(_settings(redis_sentinels=sentinels, **WORKER))
    # Their types say less than they are.
    found: Any = by_url(options["result_backend"], app.loader)
    made: Any = app.backend

    assert found[0] is backend
    parameters = made.connparams
    assert parameters["ssl_cert_reqs"] == ssl.CERT_REQUIRED
    assert parameters["ssl_check_hostname"] is True
    assert (parameters["username"], parameters["password"]) == ("worker", "secret-of-worker")
    assert "secret" not in options["result_backend"]
    assert made.expires == 24 * 3600
    assert [host["host"] for host in parameters.get("hosts", ())] == list(sentinels)
    asked = options["result_backend_transport_options"]["sentinel_kwargs"]
    assert (asked["ssl"], asked["username"]) == (True, "worker")


def test_chords_outlive_the_patience_of_their_members() -> None:
    """A chord whose members wait for PostgreSQL for a day is still counted."""
    options = result_options(_settings(dependency_patience_hours=24.0, results_redis_hours=24))

    assert options["result_chord_expires"] == 48 * 3600
