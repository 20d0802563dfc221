"""Replaying and discarding. Each chunk is one transaction: the letters' state, the audit rows and the outbox rows.

The state changes only from `dead`, under a row lock, so of two operators one replays a letter and the other passes it
over. A crash leaves whole chunks: run the command again and it goes on with what is still dead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, func, insert, select, update
from sqlalchemy.engine import Connection

from app.deadletters.archive_queries import COLUMNS, StoredLetter, chosen, stored
from app.deadletters.rebuild import Edit, rebuild
from app.deadletters.selection import Selection
from app.errors import ReplayRefusedError
from app.storage import ordered_items, outbox
from app.storage.identifiers import new_id
from app.storage.outbox import OutboxMessage
from app.storage.tables import dead_letter_actions, dead_letters as table, job_revocations

#: Letters a transaction: batches of items are 256 KiB each, and all of them are in memory at once.
_CHUNK_LETTERS = 100
#: Refusals that an outcome names; more are only counted.
_REFUSALS_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to do with the letters of a selection, on whose behalf and why."""

    selection: Selection
    actor: str
    note: str = ""
    edit: Edit = field(default_factory=Edit)
    include_chords: bool = False
    #: Letters that died before are refused: the inbox may have forgotten what they did. None: of any age.
    remembered_since: datetime | None = None
    #: Letters a second at most; 0: as fast as it goes.
    per_second: float = 0.0


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What was done."""

    matched: int = 0
    done: int = 0
    refused: int = 0
    #: The first refusals, each with its reason.
    refusals: dict[UUID, str] = field(default_factory=dict)
    #: The messages of the first letters replayed, by dead letter.
    message_ids: dict[UUID, UUID] = field(default_factory=dict)


Progress = Callable[[Outcome], None]


def replay(
    database: Engine, order: Order, *, progress: Progress = lambda _: None, sleep: Callable[[float], None] = time.sleep
) -> Outcome:
    """Send the selected dead letters again, through the outbox.

    Raises:
        ReplayRefusedError: an edit was asked for, and not exactly one letter is selected or it is refused.
    """
    return _in_chunks(database, order, _replay_chunk, progress=progress, sleep=sleep)


def discard(database: Engine, order: Order, *, progress: Progress = lambda _: None) -> Outcome:
    """Give the selected dead letters up; the rows stay, with who did it and why."""
    return _in_chunks(database, order, _discard_chunk, progress=progress, sleep=time.sleep)


def _in_chunks(
    database: Engine,
    order: Order,
    do: Callable[[Connection, list[StoredLetter], Order, Outcome], None],
    *,
    progress: Progress,
    sleep: Callable[[float], None],
) -> Outcome:
    # The newest letter of now is the last: a task that dies again meanwhile is not replayed for ever.
    newest = chosen(select(table.c.dead_letter_id), order.selection, "dead").order_by(table.c.dead_letter_id.desc())
    count = chosen(select(func.count()), order.selection, "dead")
    with database.connect() as connection:
        last: UUID | None = connection.execute(newest.limit(1)).scalar()
        outcome = Outcome()
        if last is not None:
            outcome.matched = connection.execute(count.where(table.c.dead_letter_id <= last)).scalar_one()
    if order.edit and outcome.matched != 1:
        raise ReplayRefusedError(f"an edit is for exactly one dead letter, and {outcome.matched} are selected")
    chunk_letters = _CHUNK_LETTERS
    if order.per_second:
        chunk_letters = max(1, min(chunk_letters, int(order.per_second / 4)))
    after = _BEFORE_ALL
    began = time.monotonic()
    while last is not None and after < last:
        with database.begin() as connection:
            letters = _locked(connection, order.selection, after=after, last=last, most=chunk_letters)
            if not letters:
                break
            do(connection, letters, order, outcome)
        after = letters[-1].dead_letter_id
        progress(outcome)
        if order.per_second and after < last:
            sleep(max(0.0, began + outcome.done / order.per_second - time.monotonic()))
    return outcome


_BEFORE_ALL = UUID(int=0)


def _locked(connection: Connection, selection: Selection, *, after: UUID, last: UUID, most: int) -> list[StoredLetter]:
    """The next dead letters in order, held until the transaction ends; those another operator holds are passed over."""
    query = (
        chosen(select(*COLUMNS), selection, "dead")
        .where(table.c.dead_letter_id > after, table.c.dead_letter_id <= last)
        .order_by(table.c.dead_letter_id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return [stored(row) for row in connection.execute(query)]


def _replay_chunk(connection: Connection, letters: list[StoredLetter], order: Order, outcome: Outcome) -> None:
    messages: dict[UUID, OutboxMessage] = {}
    revoked = _revoked_jobs(connection, letters)
    for letter in letters:
        try:
            if letter.job_id in revoked:
                raise ReplayRefusedError("its owner has revoked its job, so no worker would run it; discard it")
            messages[letter.dead_letter_id] = rebuild(
                letter,
                edit=order.edit,
                include_chords=order.include_chords,
                remembered_since=order.remembered_since,
            )
        except ReplayRefusedError as error:
            if order.edit:
                raise
            outcome.refused += 1
            if len(outcome.refusals) < _REFUSALS_NAMED:
                outcome.refusals[letter.dead_letter_id] = error.detail
    changed = _change(connection, list(messages), "replayed")
    outbox.enqueue(connection, [messages[letter_id] for letter_id in changed])
    _audit(connection, {letter_id: messages[letter_id].message_id for letter_id in changed}, "replayed", order)
    outcome.done += len(changed)
    room = _CHUNK_LETTERS - len(outcome.message_ids)
    outcome.message_ids |= {letter_id: messages[letter_id].message_id for letter_id in changed[: max(0, room)]}


def _revoked_jobs(connection: Connection, letters: list[StoredLetter]) -> set[UUID]:
    job_ids = {letter.job_id for letter in letters if letter.job_id is not None}
    query = select(job_revocations.c.job_id).where(job_revocations.c.job_id.in_(job_ids))
    return set(connection.execute(query).scalars())


def _discard_chunk(connection: Connection, letters: list[StoredLetter], order: Order, outcome: Outcome) -> None:
    changed = _change(connection, [letter.dead_letter_id for letter in letters], "discarded")
    _audit(connection, dict.fromkeys(changed), "discarded", order)
    outcome.done += len(changed)
    gone = [
        letter.properties.get("application_headers") or {} for letter in letters if letter.dead_letter_id in changed
    ]
    ordered_items.end_all(connection, gone)


def _change(connection: Connection, ids: list[UUID], state: str) -> list[UUID]:
    """Guarded by the state: only what is dead changes, and only what changed is acted upon."""
    if not ids:
        return []
    statement = (
        update(table)
        .where(table.c.dead_letter_id.in_(ids), table.c.state == "dead")
        .values(state=state)
        .returning(table.c.dead_letter_id)
    )
    return sorted(connection.execute(statement).scalars())


def _audit(connection: Connection, message_ids: Mapping[UUID, UUID | None], action: str, order: Order) -> None:
    if not message_ids:
        return
    note = order.note
    if order.edit.task is not None:
        note = f"{note} [task set to {order.edit.task}]".strip()
    if order.edit.body is not None:
        note = f"{note} [body replaced, {len(order.edit.body)} bytes]".strip()
    connection.execute(
        insert(dead_letter_actions),
        [
            {
                "action_id": new_id(),
                "dead_letter_id": dead_letter_id,
                "action": action,
                "actor": order.actor,
                "note": note,
                "message_id": message_id,
            }
            for dead_letter_id, message_id in message_ids.items()
        ],
    )
