"""Settings: refused with the variable's name, secrets from files and never shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app import settings
from app.errors import SettingsError


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("MILLRACE_WORKER_CONCURRENCY", "0", "greater than or equal to 1"),
        ("MILLRACE_WORKER_QUEUE", "urgent", "interactive"),
        ("MILLRACE_RELAY_LEASE_SECONDS", "soon", "number"),
        ("MILLRACE_BROKER", "kafka", "sqs"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, part: str
) -> None:
    """The message says which variable, what was given and what is allowed."""
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as caught:
        settings.load()

    assert name in str(caught.value)
    assert value in str(caught.value)
    assert part in str(caught.value)


def test_a_secret_comes_from_its_file_and_is_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither `repr` nor a log of the settings carries it."""
    (tmp_path / "postgresql_password").write_text("hunter2")
    monkeypatch.setenv("MILLRACE_SECRETS_DIR", str(tmp_path))

    loaded = settings.load()

    assert loaded.postgresql_password.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(loaded)


def test_settings_cannot_be_changed_afterwards() -> None:
    """Who reads them twice reads the same."""
    with pytest.raises(ValueError, match="frozen"):
        settings.load().worker_concurrency = 9  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "hosts"), [("", ()), ("redis-0", ("redis-0",)), ("a.nodes, b.nodes,c", ("a.nodes", "b.nodes", "c"))]
)
def test_sentinels_are_words_with_commas_between(
    monkeypatch: pytest.MonkeyPatch, given: str, hosts: tuple[str, ...]
) -> None:
    """None means that Redis is asked itself."""
    monkeypatch.setenv("MILLRACE_REDIS_SENTINELS", given)

    assert settings.load().redis_sentinels == hosts


def test_a_log_level_is_checked_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """`debug` used to end the worker in a traceback of the logging module."""
    monkeypatch.setenv("MILLRACE_LOG_LEVEL", "debug")
    assert settings.load().log_level == "DEBUG"

    settings.load.cache_clear()
    monkeypatch.setenv("MILLRACE_LOG_LEVEL", "loud")
    with pytest.raises(SettingsError, match=r"MILLRACE_LOG_LEVEL.*'DEBUG', 'INFO', 'WARNING' or 'ERROR'"):
        settings.load()


def test_a_lease_outlasts_the_wait_for_confirms(monkeypatch: pytest.MonkeyPatch) -> None:
    """A17: otherwise a second relay sends what the first one waits for. The message names both variables."""
    monkeypatch.setenv("MILLRACE_RELAY_LEASE_SECONDS", "8")
    monkeypatch.setenv("MILLRACE_RELAY_CONFIRM_TIMEOUT_SECONDS", "8")

    with pytest.raises(SettingsError, match=r"MILLRACE_RELAY_LEASE_SECONDS is 8 .* MILLRACE_RELAY_CONFIRM_TIMEOUT_S"):
        settings.load()


def test_content_outlives_the_messages_that_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise retention would remove content that a message still needs."""
    monkeypatch.setenv("MILLRACE_RETENTION_INBOX_DAYS", "60")

    with pytest.raises(
        SettingsError, match=r"MILLRACE_RETENTION_OBJECTS_DAYS is 30 .* MILLRACE_RETENTION_INBOX_DAYS, 60"
    ):
        settings.load()


def test_sqs_needs_the_beginning_of_its_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue's name alone is no address."""
    monkeypatch.setenv("MILLRACE_BROKER", "sqs")
    monkeypatch.setenv("MILLRACE_SQS_QUEUE_PREFIX", "millrace-prod-")

    with pytest.raises(SettingsError, match="MILLRACE_SQS_QUEUE_PREFIX is 'millrace-prod-'"):
        settings.load()
