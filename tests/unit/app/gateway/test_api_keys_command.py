"""The operator's side of API keys, without a database."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from app.gateway import api_keys_command
from app.gateway.api_keys_command import api_keys


@pytest.mark.parametrize("label", ["a[/b]", "team [eu]", "[bold]x[/bold]", "[link=x]"])
def test_a_label_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch, label: str) -> None:
    """BR-12: square brackets made the listing of all keys fail, or vanished from it."""
    row = SimpleNamespace(
        api_key_id="a" * 16, label=label, scopes=["tasks:write"], requests_per_second=1.0,
        created_at=datetime(2026, 1, 1, tzinfo=UTC), revoked_at=None,
    )  # fmt: skip
    connection = SimpleNamespace(execute=lambda _: [row])
    monkeypatch.setattr(api_keys_command, "engine", lambda: SimpleNamespace(connect=lambda: nullcontext(connection)))

    result = CliRunner().invoke(api_keys, ["list"], env={"COLUMNS": "200"})

    assert result.exit_code == 0
    assert label in result.output


@pytest.mark.parametrize("rate", ["nan", "inf", "-inf", "1e300", "0", "-1"])
def test_a_rate_that_is_no_rate_is_refused(monkeypatch: pytest.MonkeyPatch, rate: str) -> None:
    """BR-13: it was stored, and each request of the key then failed."""
    monkeypatch.setattr(api_keys_command, "engine", lambda: pytest.fail("it was stored"))

    result = CliRunner().invoke(
        api_keys, ["create", "--label", "x", "--scope", "tasks:write", "--requests-per-second", rate]
    )

    assert result.exit_code == 2
