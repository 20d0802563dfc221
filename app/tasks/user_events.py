"""`ingest_user_event`, the example that demo and load tests use: what a producer says happened, counted for its user.

The effect holds something that a duplicate would change, a running total per user moved against a clearing account, so
that "no duplicated effect" is measured and not true by construction. A message carries a payload as the JSON text that
was sent: it is read here to look into it, and stored as it came.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, WithJsonSchema

from app import contract
from app.kinds import JsonObject, PoisonError, Transaction, once_in_batches

TYPE_MAX_CHARS = 200
#: Years whose moments every time zone, Python and PostgreSQL can hold.
_YEAR_MIN, _YEAR_MAX = 2, 9998
#: PostgreSQL refuses an offset from here on; Python takes up to 24 hours.
_OFFSET_LIMIT = timedelta(hours=16)
_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
#: RFC 3339: date, time and offset. pydantic's own datetime would take Unix seconds in quotes as well.
_MOMENT = r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$"
#: Amounts outside this range are not counted as amounts; the event then counts 1.
_MAX_AMOUNT = 10**9
#: Clearing accounts, so that transactions seldom meet on one row. A batch uses one of them for all its events.
_CLEARING_ACCOUNTS = 64
_CLEARING, _USER = "clearing:", "user:"


def _moment(text: str) -> str:
    plain = text.upper()  # RFC 3339 allows t and z
    wrong = "is not a moment that exists, with an offset of less than 16 hours"
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        raise ValueError(wrong) from None
    offset = abs(moment.utcoffset() or timedelta())
    if not _YEAR_MIN <= moment.year <= _YEAR_MAX or offset >= _OFFSET_LIMIT:
        raise ValueError(wrong)
    return plain


class Event(BaseModel):
    """Something that happened; `event_id` is the producer's, and stored once however often it is sent."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    event_id: Annotated[
        str,
        StringConstraints(pattern=_UUID),
        AfterValidator(str.lower),
        WithJsonSchema({"type": "string", "format": "uuid", "pattern": _UUID}),
    ]
    type: Annotated[
        str,
        StringConstraints(min_length=1, max_length=TYPE_MAX_CHARS, pattern=r"^[^\x00]*$"),
        WithJsonSchema({"type": "string", "minLength": 1, "maxLength": TYPE_MAX_CHARS, "pattern": r"^[^\u0000]*$"}),
    ]
    occurred_at: Annotated[
        str,
        StringConstraints(pattern=_MOMENT, max_length=64),
        AfterValidator(_moment),
        WithJsonSchema({"type": "string", "format": "date-time"}),
    ]
    payload: JsonObject


def user_of(event_type: str, payload: dict[str, Any]) -> str:
    """The user an event belongs to: `user_id`, or the sender of a webhook, or else all of one type together."""
    user_id, sender = payload.get("user_id"), payload.get("sender")
    name = event_type
    if isinstance(user_id, str | int) and not isinstance(user_id, bool) and str(user_id):
        name = str(user_id)[:200]
    elif isinstance(sender, dict) and isinstance(login := sender.get("login"), str) and login:
        name = login[:200]
    # No user is a clearing account (BR-38), and no two users are one.
    return _USER + name if name.startswith((_CLEARING, _USER)) else name


def amount_of(payload: dict[str, Any]) -> int:
    """What the event adds to its user's total: `amount` if it is a sensible integer, else 1."""
    amount = payload.get("amount")
    if isinstance(amount, int) and not isinstance(amount, bool) and 1 <= amount <= _MAX_AMOUNT:
        return amount
    return 1


# Accounts are sorted before they are locked: unsorted overlapping lists deadlocked 6 times in 12 (design.md).
STORE = """
    WITH incoming AS (
        SELECT * FROM unnest(
            cast(:event_ids AS uuid[]), cast(:user_ids AS text[]), cast(:amounts AS bigint[]), cast(:types AS text[]),
            cast(:occurred_ats AS timestamptz[]), cast(:payloads AS text[]), cast(:job_ids AS uuid[])
        ) AS e(event_id, user_id, amount, type, occurred_at, payload, job_id)
    ), stored AS (
        INSERT INTO events (event_id, job_id, task_id, user_id, amount, type, occurred_at, payload)
        SELECT event_id, job_id, cast(:task_id AS uuid), user_id, amount, type, occurred_at,
               cast(payload AS jsonb)
        FROM incoming
        RETURNING user_id, amount
    )
    INSERT INTO accounts AS a (account_id, event_count, balance)
    SELECT account_id, sum(event_count), sum(balance) FROM (
        SELECT user_id AS account_id, 1 AS event_count, amount AS balance FROM stored
        UNION ALL
        SELECT cast(:clearing_account AS text), 0, -amount FROM stored
    ) AS movement
    GROUP BY account_id ORDER BY account_id
    ON CONFLICT (account_id) DO UPDATE
    SET event_count = a.event_count + excluded.event_count, balance = a.balance + excluded.balance
"""


def store(events: list[Event], tx: Transaction) -> None:
    """Store events and move their users' totals.

    Raises:
        PoisonError: a payload is not the text of an object.
    """
    payloads = [_read(event) for event in events]
    tx.execute(
        STORE,
        {
            "event_ids": [event.event_id for event in events],
            "user_ids": [user_of(event.type, payload) for event, payload in zip(events, payloads, strict=True)],
            "amounts": [amount_of(payload) for payload in payloads],
            "types": [event.type for event in events],
            "occurred_ats": [event.occurred_at for event in events],
            "payloads": [event.payload for event in events],
            "job_ids": tx.job_ids,
            "task_id": tx.task_id,
            "clearing_account": f"{_CLEARING}{tx.task_id.int % _CLEARING_ACCOUNTS:02}",
        },
    )


def _read(event: Event) -> dict[str, Any]:
    try:
        payload = json.loads(event.payload)  # and not orjson: it makes a float of a whole number of more than 64 bits
    except (ValueError, RecursionError) as error:
        raise PoisonError(f"payload: {type(error).__name__}: {error}") from None
    if not isinstance(payload, dict):
        raise PoisonError("payload is not the text of an object")
    return payload


@once_in_batches(
    name=contract.TASK_INGEST_EVENT,
    queue=contract.EVENT_QUEUE,
    list_queue=contract.EVENT_LIST_QUEUE,
    key="event_id",
    http=True,
    path="/v1/events",
)
def ingest_user_event(events: list[Event], tx: Transaction) -> None:
    """Store events, each once."""
    store(events, tx)
