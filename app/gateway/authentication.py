"""Who calls: the API key's record from a small cache, so that PostgreSQL is not asked for each request.

The price of the cache: a revoked key works for `CACHE_SECONDS` more at most (plus the time of one query).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from starlette.requests import Request

from app import contract
from app.contract import Scope
from app.gateway import api_keys
from app.gateway.api_keys import KeyRecord
from app.gateway.connections import Connection
from app.gateway.database import Database
from app.gateway.problems import FORBIDDEN, UNAUTHORIZED, ProblemError

#: How long a key's record is believed. Also how long a revoked key still works, at most.
CACHE_SECONDS = 5.0
#: Records kept; the longest unused one leaves first. Unknown ids are kept too, or each guess would ask PostgreSQL.
CACHE_ENTRIES = 4096
#: While one request renews a record, the others go on with the old one for this long.
_RENEWAL_SECONDS = 1.0
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="millrace"'}

_SELECT = """
    SELECT secret_hash, scopes, requests_per_second, revoked_at IS NOT NULL AS revoked
    FROM api_keys WHERE api_key_id = %s
"""


class KeyCache:
    """Records by id, each for a few seconds; also that there is none."""

    def __init__(
        self,
        load: Callable[[str], Awaitable[KeyRecord | None]],
        *,
        clock: Callable[[], float] = time.monotonic,
        entries: int = CACHE_ENTRIES,
    ) -> None:
        """`load` asks for what is not here."""
        self._load = load
        self._clock = clock
        self._entries = entries
        self._records: OrderedDict[str, tuple[KeyRecord | None, float]] = OrderedDict()

    async def get(self, api_key_id: str) -> KeyRecord | None:
        """The record, at most `CACHE_SECONDS` old."""
        now = self._clock()
        if (entry := self._records.get(api_key_id)) is not None:
            self._records.move_to_end(api_key_id)
            record, expires = entry
            if now < expires:
                return record
            if now < expires + _RENEWAL_SECONDS:  # this request renews it; the others need not do so as well
                self._records[api_key_id] = (record, now + _RENEWAL_SECONDS)
        fresh = await self._load(api_key_id)
        self._records[api_key_id] = (fresh, self._clock() + CACHE_SECONDS)
        self._records.move_to_end(api_key_id)
        while len(self._records) > self._entries:
            self._records.popitem(last=False)
        return fresh


class Authenticator:
    """Tells callers apart."""

    def __init__(self, database: Database) -> None:
        """Keys are read through `database`."""
        self._database = database
        self._cache = KeyCache(self._load)

    async def require(self, request: Request, scope: Scope) -> KeyRecord:
        """The caller's key.

        Raises:
            ProblemError: 401 without a valid key, 403 without the scope, 503 where PostgreSQL cannot be asked.
        """
        text_ = presented(request)
        key = api_keys.parse(text_) if text_ is not None else None
        if key is None:
            raise ProblemError(UNAUTHORIZED, headers=_CHALLENGE)
        record = await self._cache.get(key.api_key_id)
        if not api_keys.matches(key, record) or record is None:
            raise ProblemError(UNAUTHORIZED, headers=_CHALLENGE)
        if not api_keys.allows(record, scope):
            raise ProblemError(FORBIDDEN, f"The scope {scope.value} is missing.")
        return record

    async def _load(self, api_key_id: str) -> KeyRecord | None:
        async def select(connection: Connection) -> KeyRecord | None:
            row = await (await connection.execute(_SELECT, [api_key_id])).fetchone()
            if row is None:
                return None
            return KeyRecord(
                api_key_id=api_key_id,
                secret_hash=bytes(row["secret_hash"]),
                scopes=frozenset(row["scopes"]),
                requests_per_second=row["requests_per_second"],
                revoked=row["revoked"],
            )

        return await self._database.run(select)


def presented(request: Request) -> str | None:
    """The key's text: `X-API-Key`, or `Authorization: Bearer` for those who can send nothing else (Prometheus)."""
    if (own := request.headers.get(contract.HEADER_API_KEY)) is not None:
        return own
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None
