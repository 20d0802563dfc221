"""Nothing is loaded before the stack is empty, and nothing is judged before it is empty again."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtests.cli import app
from loadtests.errors import NotReadyError, SecretsMissingError
from loadtests.gate import QUIET_SECONDS, SUSPICIOUS_QUIET_SECONDS, Left, wait_until_drained
from loadtests.target import local_target

EMPTY = Left(outbox=0, ready=0, unacknowledged=0)
BUSY = Left(outbox=1, ready=2, unacknowledged=3)


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.now += seconds


def drained(sights: list[Left | Exception], deadline: float = 60) -> tuple[bool, float]:
    """Whether the drain ended with these sights (the last one stays), and when."""
    clock = Clock()

    def look() -> Left:
        sight = sights.pop(0) if len(sights) > 1 else sights[0]
        if isinstance(sight, Exception):
            raise sight
        return sight

    return wait_until_drained(look, deadline_seconds=deadline, clock=clock, sleep=clock.sleep), clock.now


def test_empty_must_stay_empty() -> None:
    """RabbitMQ's counts are up to five seconds old."""
    assert drained([EMPTY]) == (True, QUIET_SECONDS)


def test_work_that_comes_back_begins_the_wait_again() -> None:
    """A retry leaves the delay ladder when nobody expects it."""
    ok, at = drained([EMPTY, EMPTY, EMPTY, BUSY, EMPTY])

    assert ok
    assert at == 4 + QUIET_SECONDS


def test_an_answer_that_fails_is_not_empty() -> None:
    """A broker that does not say is asked again."""
    assert drained([EMPTY, NotReadyError("away"), EMPTY]) == (True, 2 + QUIET_SECONDS)


def test_empty_queues_are_not_believed_while_events_are_missing() -> None:
    """Counts may be old; but events that never come do not hold the drain up for ever."""
    missing = Left(outbox=0, ready=0, unacknowledged=0, unaccounted=7)

    assert drained([missing]) == (True, SUSPICIOUS_QUIET_SECONDS)
    assert drained([missing, missing, EMPTY]) == (True, QUIET_SECONDS)


def test_the_drain_has_a_deadline() -> None:
    """Work that stays is a finding, not a reason to wait for ever."""
    assert drained([BUSY], deadline=10) == (False, 10)


def test_what_is_left_is_said_in_words() -> None:
    """All three places have their number."""
    assert str(BUSY) == "1 in the outbox, 2 ready and 3 unacknowledged in queues"


def test_a_stack_that_was_never_started_is_said(tmp_path: Path) -> None:
    """The error names the missing file and the command that makes it."""
    with pytest.raises(SecretsMissingError, match=r"make up.*client/ca.crt is missing"):
        local_target(tmp_path)


def test_the_target_reads_secrets_and_hides_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports follow the environment; passwords are not in what a log would show."""
    for name in ("client/ca.crt", "client/api_key", "auditor/postgresql_password", "operator/rabbitmq_password"):
        path = tmp_path / "secrets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"secret-{path.name}\n")
    monkeypatch.setenv("MILLRACE_PORT_GATEWAY", "9443")

    target = local_target(tmp_path)

    assert target.gateway_url == "https://localhost:9443"
    assert target.postgresql_password == "secret-postgresql_password"
    assert target.api_key == "secret-api_key"
    assert "secret-" not in repr(target)


def test_the_command_ends_with_4_when_it_cannot_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither PASS nor FAIL nor VOID: there was no run."""
    monkeypatch.setenv("MILLRACE_STATE_DIR", str(tmp_path))

    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "out")])

    assert result.exit_code == 4
    assert "make up" in result.output
    assert not (tmp_path / "out").exists()
