"""Claim checks: an item above the bound of a message is stored by its content, and its message carries a reference.

A reference takes the item's place on its way: in the outbox, the broker, retries and dead letters. The task layer reads
the item back before its model sees it. A caller marks the use before it stores (`app/storage/object_uses.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from app import contract
from app.brokers.message_body import ITEM
from app.brokers.transactional import at_the_end
from app.settings import load
from app.storage import object_uses, objects
from app.storage.engine import autocommit

#: The members by which a reference is known. No model with a JSON text has a member of such a name, and other items
#: travel as text, so no item looks like a reference.
_KEY, _BYTES = "$object", "bytes"
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Claim:
    """An item that is too long for a message, as the content that S3 keeps."""

    key: str
    content: bytes

    @property
    def reference(self) -> dict[str, Any]:
        """What the message carries."""
        return {_KEY: self.key, _BYTES: len(self.content)}


def claim_of(carried: Any) -> Claim:
    """The claim of an item. Its content must be stored before a reference to it is sent."""
    content = json.dumps(carried).encode()
    return Claim(objects.key_of(content), content)


def bytes_of(carried: Any) -> int | None:
    """The length of the item that a reference stands for; None for anything else."""
    return int(carried[_BYTES]) if _is_reference(carried) else None


def joining(batch: Sequence[Any]) -> dict[str, int]:
    """The header that lets the relay join this list with others; none if an item is a reference.

    The relay joins by length, and does not know how long the item of a reference is.
    """
    items = [one.get(ITEM) for one in batch if isinstance(one, dict)]
    return {} if any(map(_is_reference, items)) else {contract.MESSAGE_ITEMS: len(batch)}


def checked_in(carried: Any) -> Any:
    """An item that a task sends, as its message carries it: itself, or a reference.

    Outside of a transaction its content is stored before this returns; in one, at its end, and memory keeps it until
    then.

    Raises:
        ObjectStoreAwayError: S3 is away.
    """
    if not objects.configured() or len((claim := claim_of(carried)).content) <= load().payload_max_bytes:
        return carried

    def store(connection: Connection) -> None:
        object_uses.mark(connection, claim.key)
        objects.put(claim.key, claim.content)

    if not at_the_end(("content", claim.key), store):
        with autocommit().connect() as connection:
            store(connection)
    return claim.reference


def redeemed(carried: Any) -> Any:
    """The item itself, read from S3 if this is a reference.

    Raises:
        PoisonError: S3 has no such content, or another one under this key.
        ObjectStoreAwayError: S3 is away.
    """
    return json.loads(objects.read(carried[_KEY])) if _is_reference(carried) else carried


def _is_reference(carried: Any) -> bool:
    if not isinstance(carried, dict) or carried.keys() != {_KEY, _BYTES}:
        return False
    return isinstance(carried[_BYTES], int) and bool(_HASH.fullmatch(str(carried[_KEY])))
