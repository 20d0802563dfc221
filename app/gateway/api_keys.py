"""API keys: `mr_<id>_<secret>`. The id is looked up, the secret is compared with a stored hash.

The secret is 256 random bits, so one SHA-256 is enough: there is nothing to guess and nothing to slow down.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from hashlib import sha256

from app.contract import Scope

PREFIX = "mr"
_ID_BYTES, _SECRET_BYTES = 8, 32
_ID_CHARS, _SECRET_CHARS = 2 * _ID_BYTES, 2 * _SECRET_BYTES
_HEX = frozenset("0123456789abcdef")
#: Compared with when the id is unknown, so that a wrong id takes as long as a wrong secret.
_NOBODY = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedKey:
    """What a caller sent, taken apart; the repr keeps the secret to itself."""

    api_key_id: str
    secret: str

    def __repr__(self) -> str:
        """Safe for logs."""
        return f"PresentedKey({self.api_key_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """What we know of a key."""

    api_key_id: str
    secret_hash: bytes
    scopes: frozenset[str]
    requests_per_second: float
    revoked: bool


def generate() -> PresentedKey:
    """Make a new key."""
    return PresentedKey(api_key_id=secrets.token_hex(_ID_BYTES), secret=secrets.token_hex(_SECRET_BYTES))


def render(key: PresentedKey) -> str:
    """The text that is shown once."""
    return f"{PREFIX}_{key.api_key_id}_{key.secret}"


def parse(presented: str) -> PresentedKey | None:
    """Take a key apart; None where it cannot be one, so that nonsense never reaches the database."""
    parts = presented.split("_")
    if len(parts) != 3 or parts[0] != PREFIX:
        return None
    _, key_id, secret = parts
    if len(key_id) != _ID_CHARS or len(secret) != _SECRET_CHARS or not _HEX.issuperset(key_id + secret):
        return None
    return PresentedKey(api_key_id=key_id, secret=secret)


def hash_secret(secret: str) -> bytes:
    """What is stored."""
    return sha256(secret.encode()).digest()


def matches(presented: PresentedKey, record: KeyRecord | None) -> bool:
    """Whether the secret is the key's, and the key is valid: the same work for every wrong answer."""
    stored = record.secret_hash if record is not None else _NOBODY
    equal = hmac.compare_digest(hash_secret(presented.secret), stored)
    return equal and record is not None and not record.revoked


def allows(record: KeyRecord, scope: Scope) -> bool:
    """Whether the key may do this."""
    return scope.value in record.scopes
