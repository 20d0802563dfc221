"""What an event means: whose it is and what it is worth. Pure; a refusal is an exception.

A message carries an event's payload as JSON text. It is read here to look into it, and stored as the text that came.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from app.errors import PoisonEventError
from app.storage.effects import UserEvent

#: Amounts outside this range are not counted as amounts; the event then counts 1.
_MAX_AMOUNT = 10**9


def user_of(event_type: str, payload: dict[str, Any]) -> str:
    """The user an event belongs to: `user_id`, or the sender of a webhook, or else all of one type together."""
    user_id = payload.get("user_id")
    if isinstance(user_id, str | int) and not isinstance(user_id, bool) and str(user_id):
        return str(user_id)[:200]
    sender = payload.get("sender")
    if isinstance(sender, dict) and isinstance(login := sender.get("login"), str) and login:
        return login[:200]
    return event_type


def amount_of(payload: dict[str, Any]) -> int:
    """What the event adds to its user's total: `amount` if it is a sensible integer, else 1."""
    amount = payload.get("amount")
    if isinstance(amount, int) and not isinstance(amount, bool) and 1 <= amount <= _MAX_AMOUNT:
        return amount
    return 1


def read_event(message: Any) -> UserEvent:
    """Read an event from a message.

    Raises:
        PoisonEventError: it can never be stored; the message names the field.
    """
    try:
        text = message["payload"]
        payload = json.loads(text)  # and not orjson, which makes a float of a whole number of more than 64 bits
        if not isinstance(payload, dict):
            raise TypeError("payload is not the text of an object")
        event_type = str(message["type"])
        return UserEvent(
            event_id=UUID(message["event_id"]),
            user_id=user_of(event_type, payload),
            amount=amount_of(payload),
            type=event_type,
            occurred_at=datetime.fromisoformat(message["occurred_at"]),
            payload=text,
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise PoisonEventError(f"{type(error).__name__}: {error}") from error
