"""The statement that accepts, and what makes two requests the same."""

from __future__ import annotations

import re

import pytest

from app.gateway import acceptance


def test_two_requests_are_the_same_when_their_bytes_are() -> None:
    """Any difference counts, one of spaces too."""
    assert acceptance.request_hash(b'{"a":1}') == acceptance.request_hash(b'{"a":1}')
    assert acceptance.request_hash(b'{"a":1}') != acceptance.request_hash(b'{"a": 1}')


@pytest.mark.parametrize("many", [False, True])
def test_without_the_key_nothing_is_written(many: bool) -> None:
    """Job and messages both hang on the key's row; without a key neither does."""
    assert acceptance.statement(with_key=True, many=many).count("WHERE EXISTS (SELECT FROM key)") == 2
    assert "key AS" not in acceptance.statement(with_key=False, many=many)


@pytest.mark.parametrize("many", [False, True])
def test_every_row_is_written_by_one_statement(many: bool) -> None:
    """One statement is one commit: the job cannot be there without its messages."""
    statement = acceptance.statement(with_key=True, many=many)

    written = re.findall(r"INSERT INTO (\w+)", statement)
    assert written == ["idempotency_keys", "jobs", "outbox_pending", "outbox"]
    assert ";" not in statement
