"""Which dead letters are meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from typer.testing import CliRunner

from app.deadletters.command import dead_letters
from app.deadletters.selection import Selection, moment
from app.errors import SelectionError

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15m", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("2026-06-01T10:00:00Z", datetime(2026, 6, 1, 10, tzinfo=UTC)),
        ("2026-06-01", datetime(2026, 6, 1, tzinfo=UTC)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    """A time is so long ago, or ISO 8601 and UTC unless it says otherwise."""
    assert moment(text, now=NOW) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "5w", "-1h"])
def test_no_moment(text: str) -> None:
    """Anything else is refused rather than guessed."""
    with pytest.raises(SelectionError):
        moment(text)


def test_conditions_are_those_given() -> None:
    """An empty selection has no conditions and says so."""
    assert Selection().empty
    assert Selection().conditions() == []
    chosen = Selection(ids=(UUID(int=1),), queue="bulk", reason="failed", since=NOW)
    assert not chosen.empty
    assert len(chosen.conditions()) == 4


@pytest.mark.parametrize(
    "command", [["replay"], ["discard", "--note", "why"], ["discard", "--queue", "bulk", "--note", " "]]
)
def test_destructive_commands_want_a_filter_and_a_reason(command: list[str]) -> None:
    """Without a filter nothing is touched, and PostgreSQL is not even asked."""
    assert isinstance(CliRunner().invoke(dead_letters, command).exception, SelectionError)
