"""Reads from PostgreSQL what the reconciler needs: as the auditor, over any psycopg connection."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString

import orjson
from psycopg import Connection

from app import contract
from loadtests.digest import digest
from loadtests.history import History
from loadtests.jobs import StoredJob, state_of, with_job
from loadtests.observation import Account, Observation, StoredEffect

#: Rows of earlier runs are left out by time; this much earlier still counts as ours, whatever the clocks say.
_MARGIN_SECONDS = 5.0
_PAGE = 5_000
#: The tasks that store events.
_TASKS = [contract.TASK_INGEST_EVENT, contract.TASK_DRILL]

#: Any psycopg connection with tuple rows.
Rows = Connection[Any]


def snapshot_accounts(connection: Rows) -> dict[str, Account]:
    """All accounts at one moment. Take one before the load and hand it to `collect`."""
    rows = connection.execute("SELECT account_id, event_count, balance FROM accounts").fetchall()
    return {account_id: Account(event_count, int(balance)) for account_id, event_count, balance in rows}


def collect(
    connection: Rows,
    history: History,
    *,
    since: float,
    accounts_before: Mapping[str, Account],
    exclusive: bool = True,
) -> Observation:
    """Everything that the run left behind; call it after the drain.

    Args:
        connection: a session that may read events, inbox, dead_letters, jobs and accounts.
        history: what was sent.
        since: Unix time of the run's start; older effects are not the run's.
        accounts_before: the accounts before the run.
        exclusive: nobody else sent events meanwhile, so effects of unknown origin are a fault.
    """
    begin = datetime.fromtimestamp(since - _MARGIN_SECONDS, UTC)
    ids = [effect.event_id for attempt in history.attempts for effect in attempt.intent.effects]
    inbox = frozenset(_inbox(connection, ids, begin))
    return Observation(
        effects=tuple(_effects(connection, begin)),
        inbox=inbox,
        dead_letters=dict(_dead_letters(connection, begin)),
        jobs=dict(_jobs(connection, history, inbox)),
        accounts_before=accounts_before,
        accounts_after=snapshot_accounts(connection),
        exclusive=exclusive,
    )


def clock_offset_seconds(connection: Rows) -> float:
    """How far PostgreSQL's clock is ahead of ours; the quickest of some round trips tells best."""
    samples: list[tuple[float, float]] = []
    for _ in range(5):
        before = time.time()
        theirs = _one(connection, "SELECT extract(epoch FROM clock_timestamp())::float8")
        after = time.time()
        samples.append((after - before, float(theirs) - (before + after) / 2))
    return min(samples)[1]


def outbox_pending(connection: Rows) -> int:
    """Messages that the broker has not confirmed yet."""
    return int(_one(connection, "SELECT count(*) FROM outbox_pending"))


def effects_since(connection: Rows, since: float) -> int:
    """How many effects were stored since then, for the progress display."""
    begin = datetime.fromtimestamp(since - _MARGIN_SECONDS, UTC)
    return int(_one(connection, "SELECT count(*) FROM events WHERE stored_at >= %s", begin))


def _one(connection: Rows, query: LiteralString, *arguments: object) -> Any:
    row = connection.execute(query, arguments).fetchone()
    return row[0] if row else 0


def _effects(connection: Rows, begin: datetime) -> Iterator[StoredEffect]:
    query = """
        SELECT event_id::text, user_id, amount, extract(epoch FROM stored_at)::float8,
               type, (extract(epoch FROM occurred_at) * 1000000)::bigint, payload::text
        FROM events WHERE stored_at >= %s
    """
    # The server keeps the rows: payloads of a long run would fill the memory here.
    with connection.transaction(), connection.cursor(name="effects") as cursor:
        cursor.itersize = _PAGE
        cursor.execute(query, (begin,))
        for event_id, user_id, amount, stored_at, event_type, occurred_at, payload in cursor:
            yield StoredEffect(
                event_id, user_id, amount, stored_at, digest(event_type, occurred_at, orjson.loads(payload))
            )


def _inbox(connection: Rows, ids: Sequence[str], begin: datetime) -> Iterator[str]:
    """Of these events those in the inbox, whichever of the API keys that were used meanwhile sent them."""
    used = "SELECT DISTINCT api_key_id FROM jobs WHERE accepted_at >= %s"
    senders = ["", *(sender for (sender,) in connection.execute(used, (begin,)))]  # what came past the gateway has none
    for first in range(0, len(ids), _PAGE):
        page = ids[first : first + _PAGE]
        query: LiteralString = """
            SELECT DISTINCT key FROM unnest(%s::text[]) AS k(key), unnest(%s::text[]) AS s(sender),
                unnest(%s::text[]) AS t(task), inbox WHERE dedupe_key = dedupe_key(task, sender, key)
        """
        yield from (key for (key,) in connection.execute(query, (page, senders, _TASKS)))


def _jobs(connection: Rows, history: History, inbox: frozenset[str]) -> Iterator[tuple[str, StoredJob]]:
    """The jobs of accepted requests. Their states follow from what the gateway reads too: inbox and dead letters."""
    ids = [attempt.result.job_id for attempt in with_job(history) if attempt.result.job_id]
    for first in range(0, len(ids), _PAGE):
        page = ids[first : first + _PAGE]
        letters: dict[tuple[str, str], set[str]] = defaultdict(set)
        query: LiteralString = """
            SELECT job_id::text, state, keys FROM dead_letters WHERE job_id = ANY(%s::uuid[])
        """
        for job_id, state, keys in connection.execute(query, (page,)):
            letters[job_id, state].update(keys)
        query = "SELECT job_id::text, keys FROM jobs WHERE job_id = ANY(%s::uuid[])"
        for job_id, keys in connection.execute(query, (page,)):
            events = frozenset(keys)
            left = events - inbox
            dead = left & letters[job_id, "dead"]
            discarded = (left - dead) & letters[job_id, "discarded"]
            state = state_of(
                events=len(events), executed=len(events) - len(left), dead=len(dead), discarded=len(discarded)
            )
            yield job_id, StoredJob(events, state)


def _dead_letters(connection: Rows, begin: datetime) -> Iterator[tuple[str, str]]:
    query = """
        SELECT unnest(keys), reason FROM dead_letters
        WHERE state = 'dead' AND archived_at >= %s
    """
    yield from connection.execute(query, (begin,))
