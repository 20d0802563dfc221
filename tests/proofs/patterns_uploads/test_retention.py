"""docs/patterns/uploads.md: retention removes content that nothing refers to any more, and nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import httpx
import pytest

from app.contract import Role
from app.storage import object_uses, objects
from tests.harness import here
from tests.harness.stack import Stack
from tests.harness.waiting import PATIENCE_SECONDS, eventually
from tests.proofs.patterns_uploads.contents import age, count_words, is_there, noise, text, uploaded, wait_counted

#: As `python -m app retention` does; `{bug}` comes before.
_RETENTION = """
from app.storage import object_uses
{bug}
from app.retention import run
run(every_hours=0)
"""
_FORGETS = "object_uses._SEARCHES = object_uses._SEARCHES[1:]"


def _last_used(stack: Stack, key: str, *, days_ago: int) -> None:
    stack.query(
        "UPDATE objects SET used_at = now() - %s * interval '1 day' WHERE key = %s", days_ago, key, role=Role.OWNER
    )


def _dead(stack: Stack, client: httpx.Client) -> str:
    """Make content that was last used long ago and that a dead letter names."""
    key = str(uploaded(client, text())["key"])
    stack.query("ALTER TABLE tasks.word_counts RENAME TO word_counts_away", role=Role.OWNER)
    try:
        count_words(client, key)
        eventually(lambda: stack.query("SELECT 1 FROM dead_letters"), what="the count is dead")
    finally:
        stack.query("ALTER TABLE tasks.word_counts_away RENAME TO word_counts", role=Role.OWNER)
    _last_used(stack, key, days_ago=400)
    return key


def _run(stack: Stack, bug: str = "") -> None:
    stack.script("retention", _RETENTION.format(bug=bug))


def test_only_what_nobody_names_goes(single: Stack, client: httpx.Client) -> None:
    """Old content goes unless it is named; content stays if used lately, or while a dead letter names it."""
    old, used = (str(uploaded(client, noise(100))["key"]) for _ in range(2))
    again = noise(100)
    renewed, stray = str(uploaded(client, again)["key"]), str(uploaded(client, noise(100))["key"])
    named = _dead(single, client)
    for key in (old, renewed):
        _last_used(single, key, days_ago=31)
    _last_used(single, used, days_ago=29)
    assert uploaded(client, again)["stored"] is False, "this is a use"
    single.query("DELETE FROM objects WHERE key = %s", stray, role=Role.OWNER)  # as after a restore of PostgreSQL
    age(single, stray)

    _run(single)
    assert [is_there(single, key) for key in (old, stray)] == [False, False]
    assert [is_there(single, key) for key in (used, renewed, named)] == [True, True, True]

    letter = str(single.query("SELECT dead_letter_id FROM dead_letters")[0][0])
    single.operate("dead-letters", "discard", letter, "--note", "no longer needed")
    _run(single)
    assert not is_there(single, named)
    assert single.query("SELECT key FROM objects WHERE key = ANY(%s)", [old, stray, named]) == []


def test_a_paused_message_keeps_its_content(single: Stack, client: httpx.Client) -> None:
    """Content that only a held message names stays however old it is, and the task finds it after the resume."""
    key = str(uploaded(client, text())["key"])
    here.pause(single, task="count_words")
    try:
        document = count_words(client, key)
        eventually(lambda: single.query("SELECT 1 FROM outbox_held"), what="its message is held")
        _last_used(single, key, days_ago=400)
        _run(single)
        assert is_there(single, key)
    finally:
        here.resume(single, task="count_words")
    assert wait_counted(single, document) == [(2, 4)]


def test_a_retention_that_forgets_dead_letters_is_seen(single: Stack, client: httpx.Client) -> None:
    """A planted bug: retention removes content that a dead letter names."""
    named = _dead(single, client)
    _run(single, _FORGETS)
    with pytest.raises(AssertionError):
        assert is_there(single, named)


def test_a_use_at_the_moment_of_removal(single: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The use waits until the content is removed. A caller that asks S3 after that stores it again."""
    key, removing, go_on = noise(32).hex(), Event(), Event()

    def remove(_: str) -> None:
        removing.set()
        go_on.wait(PATIENCE_SECONDS)

    monkeypatch.setattr(objects, "remove", remove)
    monkeypatch.setattr(objects, "keys_before", lambda _: iter(()))
    single.query("INSERT INTO objects VALUES (%s, now() - interval '40 days')", key, role=Role.OWNER)
    owner, mark = single.engine(Role.OWNER), object_uses.MARK.replace("%(key)s", "%s")
    with ThreadPoolExecutor() as pool:
        try:
            removal = pool.submit(object_uses.remove_unused, owner, datetime.now(UTC) - timedelta(days=30))
            removing.wait(PATIENCE_SECONDS)
            use = pool.submit(single.query, mark, key, role=Role.GATEWAY)
            eventually(lambda: single.query("SELECT 1 FROM pg_locks WHERE NOT granted"), what="the use waits")
            assert not use.done()
        finally:
            go_on.set()
        assert removal.result() == 1
        use.result()
    owner.dispose()
    assert single.query("SELECT used_at > now() - interval '1 hour' FROM objects WHERE key = %s", key) == [(True,)]
    single.query("DELETE FROM objects WHERE key = %s", key, role=Role.OWNER)


def test_s3_away_puts_it_off(single: Stack, client: httpx.Client) -> None:
    """The step is put off, not failed, and its row stays for the next run."""
    old = str(uploaded(client, noise(100))["key"])
    _last_used(single, old, days_ago=31)
    single.machines["objectstore"].kill()
    assert "retention_step_put_off" in single.run("retention", "retention")
    single.machines["objectstore"].start_again()
    single.wait("objectstore")
    _run(single)
    assert not is_there(single, old)
