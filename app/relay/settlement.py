"""Settles a claimed batch in one transaction: its rows are deleted, released, quarantined or dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.engine import Connection

from app import contract
from app.brokers.bundles import Parcel
from app.brokers.interface import PublishResult
from app.brokers.message_body import UnreadableBodyError, keys_of, read_call
from app.brokers.senders import USER_ID
from app.contract import Role
from app.storage import dropped_items, ordered_items, outbox
from app.storage.dead_letters import DeadLetter, archive
from app.storage.inbox import dedupe_key
from app.storage.outbox import ClaimedMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Every message of a batch is in exactly one of these."""

    confirmed: list[ClaimedMessage]
    #: Not taken, or nobody knows. It is not the message's fault, so it waits as long as it takes.
    released: list[ClaimedMessage]
    #: This message can never be sent; with the words for it.
    quarantined: dict[UUID, str]

    @property
    def whole(self) -> bool:
        """Whether all was confirmed: then one statement settles it."""
        return not self.released and not self.quarantined


def settle(parcels: Sequence[Parcel], result: PublishResult) -> Settlement:
    """Decide from the broker's answers. A refused bundle is released, so that its messages are sent one by one."""
    settlement = Settlement(confirmed=[], released=[], quarantined={})
    confirmed = set(result.confirmed)
    for parcel in parcels:
        words = result.refused.get(parcel.message.message_id)
        if parcel.message.message_id in confirmed:
            settlement.confirmed.extend(parcel.rows)
        elif words is not None and len(parcel.rows) == 1:
            settlement.quarantined[parcel.message.message_id] = words
        else:
            settlement.released.extend(parcel.rows)
    return settlement


def write(connection: Connection, messages: Sequence[ClaimedMessage], settlement: Settlement) -> None:
    """Write it in the caller's transaction.

    A relay whose connection to PostgreSQL is lost here finds the same rows again when their lease ends.
    """
    done = [message.message_id for message in settlement.confirmed]
    outbox.mark_confirmed(connection, [*done, *settlement.quarantined])
    if settlement.released:
        outbox.release(connection, [message.message_id for message in settlement.released])
    letters = [
        _letter(m, settlement.quarantined[m.message_id]) for m in messages if m.message_id in settlement.quarantined
    ]
    archive(connection, letters)
    ordered_items.end_dead(connection, letters)


def drop(connection: Connection, messages: Sequence[ClaimedMessage]) -> None:
    """Forget messages whose jobs were revoked, and record the end of their items, in the caller's transaction."""
    items = [
        (message.job_id, dedupe_key(message.task_name, _scope(message), key))
        for message in messages
        if message.job_id is not None
        for key in _keys(message)
    ]
    dropped_items.record(connection, items, dropped_items.Outcome.REVOKED)
    outbox.mark_confirmed(connection, [message.message_id for message in messages])
    ordered_items.end_all(connection, map(_headers, messages))


def _headers(message: ClaimedMessage) -> Mapping[str, Any]:
    return message.properties.get("application_headers") or {}


def _scope(message: ClaimedMessage) -> str:
    return str(_headers(message).get(contract.MESSAGE_SCOPE) or "")


def _letter(message: ClaimedMessage, words: str) -> DeadLetter:
    return DeadLetter(
        queue=message.queue,
        reason="refused",
        exchange=contract.TASKS_EXCHANGE,
        routing_key=message.queue,
        # The id of the publish makes this death another than the one before: a replay comes as a message of its own.
        # The relay vouches for it, as it would have by publishing it: only our own processes write the outbox.
        properties={**message.properties, "message_id": str(message.message_id), USER_ID: Role.RELAY.value},
        body=message.body,
        task_id=message.task_id,
        task_name=message.task_name,
        job_id=message.job_id,
        keys=_keys(message),
        exception_type="RefusedByBrokerError",
        exception_message=words,
    )


def _keys(message: ClaimedMessage) -> list[str]:
    try:
        call = read_call(
            message.body,
            content_type=message.properties.get("content_type"),
            content_encoding=message.properties.get("content_encoding"),
        )
    except UnreadableBodyError:
        call = None
    return keys_of(_headers(message), call)
