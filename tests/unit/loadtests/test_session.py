"""A read is asked again, whole, over a new connection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import MagicMock

import psycopg
import pytest

from loadtests.errors import NotReadyError
from loadtests.session import Session


def _session(patience: float) -> tuple[Session, Any]:
    target = MagicMock()
    return Session(target, patience_seconds=patience), target


def test_a_broken_connection_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what leads to it is renewed first."""
    monkeypatch.setattr("loadtests.session._AGAIN_SECONDS", 0.0)
    session, target = _session(30)
    answers: Iterator[Exception | int] = iter([psycopg.OperationalError("gone"), 7])

    def query(_: object) -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert session.read(query) == 7
    assert target.connect.call_count == 2
    target.renew_postgresql.assert_called_once()


def test_what_stays_away_is_said() -> None:
    """Not for ever."""
    session, target = _session(0)
    target.connect.side_effect = NotReadyError("PostgreSQL does not answer")

    with pytest.raises(NotReadyError, match="does not answer"):
        session.read(lambda _: None)
