"""The lines of tasks in order: each item that was accepted has a place, and only the first one's message may be sent.

`ordered_keys` counts the items of each line, accepted and ended; a line without items has no row. Whoever accepts or
ends an item holds that row until the commit, so the places are in the order of the commits. The outbox holds the
messages of the others back (`available_at` is infinity); the end of an item releases the next one's message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.engine import Connection

from app import contract
from app.errors import ComeBackLaterError
from app.storage.dead_letters import DeadLetter
from app.storage.identifiers import task_uuid, uuid_or_none
from app.storage.inbox import dedupe_key

#: A message that came before its turn was not sent by the outbox. It looks again after this time.
_LOOK_AGAIN_SECONDS = 1.0
#: The scope of lines. No API key has this id.
_LINE = "(line)"

# What an accepting statement adds to its WITH, between `message` and the outbox's rows. In an empty line
# `accepted` and `ended` begin at 0. The lines are sorted, so that two statements cannot wait for each other.
LINES = "SELECT order_id, 1 AS items FROM message WHERE order_id IS NOT NULL"
TAKE_PLACES = f"""
    line AS (
        INSERT INTO ordered_keys AS k (order_id, accepted)
        SELECT order_id, sum(items) FROM ({LINES}) AS added GROUP BY order_id ORDER BY order_id
        ON CONFLICT (order_id) DO UPDATE SET accepted = k.accepted + excluded.accepted
        RETURNING order_id, accepted, ended
    ),
    placed AS (
        SELECT message_id, order_id, task_id, ended,
               accepted + 1 - row_number() OVER (PARTITION BY order_id ORDER BY number DESC) AS place
        FROM message JOIN line USING (order_id)
    ),
    place AS (
        INSERT INTO ordered_items (order_id, place, message_id, task_id)
        SELECT order_id, place, message_id, task_id FROM placed
    ),
"""  # noqa: S608 - our own text
#: The bound of a line (`contract.LINE_ITEMS_MAX`), a CHECK of its row.
_BOUND = "ordered_keys_bound"

_PLACES_BEFORE = text("""
    SELECT place - ended - 1 FROM ordered_items JOIN ordered_keys USING (order_id)
    WHERE order_id = :order_id AND task_id = :task_id ORDER BY place LIMIT 1
""")
_END = text("""
    UPDATE ordered_keys k SET ended = ended + 1
    WHERE order_id = :order_id AND EXISTS (
        SELECT FROM ordered_items i WHERE i.order_id = k.order_id AND i.place = k.ended + 1 AND i.task_id = :task_id
    )
    RETURNING ended
""")
# A statement of its own: it sees what was accepted while the first one waited for the row.
_RELEASE_NEXT = text("""
    WITH gone AS (DELETE FROM ordered_items WHERE order_id = :order_id AND place = :ended),
         empty AS (DELETE FROM ordered_keys WHERE order_id = :order_id AND accepted = ended)
    UPDATE outbox_pending SET due_at = greatest(due_at, now()), available_at = greatest(due_at, now())
    WHERE message_id = (SELECT message_id FROM ordered_items WHERE order_id = :order_id AND place = :ended + 1)
""")


def is_full(error: BaseException | None) -> bool:
    """Whether PostgreSQL refused an item because too many wait in its line."""
    return isinstance(error, psycopg.errors.CheckViolation) and error.diag.constraint_name == _BOUND


def order_id(task_name: str, value: str) -> UUID:
    """The line of a task's items with this value, whoever sends them."""
    return dedupe_key(task_name, _LINE, value)


def items_before(connection: Connection, headers: Mapping[str, Any]) -> int | None:
    """How many items of its line have to end before this message's; None if it has no place, or none any more."""
    found = _parameters(headers)
    return connection.execute(_PLACES_BEFORE, found).scalar() if found else None


def end(connection: Connection, headers: Mapping[str, Any]) -> bool:
    """End the first item of a line, if it is this message's; returns whether it is. Call it last: it locks the row."""
    found = _parameters(headers)
    ended = connection.execute(_END, found).scalar() if found else None
    if ended is None:
        return False
    connection.execute(_RELEASE_NEXT, {"order_id": found["order_id"], "ended": ended})
    return True


@contextmanager
def turn(connection: Connection, headers: Mapping[str, Any]) -> Iterator[None]:
    """Let only the first item of a line have its effect in this block, and end its place in the same transaction.

    A message without a place passes. A task whose declaration says nothing of order ends places, too: it may have been
    in order when the message was accepted.

    Raises:
        ComeBackLaterError: it is not the first one, or it was ended meanwhile because another delivery died.
    """
    before = items_before(connection, headers)
    if before:
        raise ComeBackLaterError(f"({before} items of its line come first)", delay_seconds=_LOOK_AGAIN_SECONDS)
    yield
    if before is not None and not end(connection, headers):
        raise ComeBackLaterError("(its place in the line is gone)", delay_seconds=_LOOK_AGAIN_SECONDS)


def end_all(connection: Connection, of_messages: Iterable[Mapping[str, Any]]) -> None:
    """End the items of several messages, given by their headers; in the order in which accepts lock the lines."""
    for headers in sorted(of_messages, key=lambda headers: str(headers.get(contract.MESSAGE_ORDER))):
        end(connection, headers)


def end_dead(connection: Connection, letters: Iterable[DeadLetter]) -> None:
    """End the items of messages that died, where their task says that the line then goes on."""
    died = [letter.properties.get("application_headers") or {} for letter in letters]
    end_all(connection, [headers for headers in died if headers.get(contract.MESSAGE_ORDER_GOES_ON) is True])


def _parameters(headers: Mapping[str, Any]) -> dict[str, UUID]:
    line, task_id = uuid_or_none(headers.get(contract.MESSAGE_ORDER)), task_uuid(headers.get("id"))
    return {} if line is None or task_id is None else {"order_id": line, "task_id": task_id}
