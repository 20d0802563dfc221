"""The caller: the API key's record from a small cache, so that PostgreSQL is not asked for each request.

The price of the cache: a revoked key works for `CACHE_SECONDS` more at most (plus the time of one query).
"""

from __future__ import annotations

from starlette.requests import Request

from app import contract
from app.contract import Scope
from app.gateway import api_keys
from app.gateway.api_keys import KeyRecord
from app.gateway.connections import Connection
from app.gateway.database import Database
from app.gateway.key_cache import KeyCache
from app.gateway.problems import FORBIDDEN, OVERLOADED, UNAUTHORIZED, ProblemError, retry_after
from app.gateway.rate_limits import local_limiter

#: Ids that this process has not seen may cost PostgreSQL so many queries; whoever guesses keys has no limit of his own.
UNKNOWN_KEYS_PER_SECOND = 50.0
#: While PostgreSQL is away, a key that may read metrics is believed for so long: that is when the metrics are needed.
#: It opens nothing else, its secret is compared as ever, and a revocation needs PostgreSQL as well.
METRICS_KEY_SECONDS = 12 * 3600.0
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="millrace"'}

_SELECT = """
    SELECT secret_hash, scopes, requests_per_second, revoked_at IS NOT NULL AS revoked
    FROM api_keys WHERE api_key_id = %s
"""


class Authenticator:
    """Tells callers apart."""

    def __init__(self, database: Database) -> None:
        """Keys are read through `database`."""
        self._database = database
        self._cache = KeyCache(self._load, admit=self._admit)
        self._lookups = local_limiter(UNKNOWN_KEYS_PER_SECOND)

    async def require(self, request: Request, scope: Scope) -> KeyRecord:
        """The caller's key.

        Raises:
            ProblemError: 401 without a valid key, 403 without the scope, 503 where PostgreSQL cannot be asked,
                or is asked for too many unknown keys.
        """
        text_ = presented(request)
        key = api_keys.parse(text_) if text_ is not None else None
        if key is None:
            raise ProblemError(UNAUTHORIZED, headers=_CHALLENGE)
        outage_seconds = METRICS_KEY_SECONDS if scope is Scope.METRICS_READ else 0.0
        record = await self._cache.get(key.api_key_id, outage_seconds=outage_seconds)
        if not api_keys.matches(key, record) or record is None:
            raise ProblemError(UNAUTHORIZED, headers=_CHALLENGE)
        if not api_keys.allows(record, scope):
            raise ProblemError(FORBIDDEN, f"The scope {scope.value} is missing.")
        return record

    async def _admit(self) -> None:
        if (await self._lookups.limit("unknown keys")).limited:
            raise ProblemError(OVERLOADED, "Too many unknown API keys are asked for.", headers=retry_after(1.0))

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
    if own := set(request.headers.getlist(contract.HEADER_API_KEY)):
        return own.pop() if len(own) == 1 else None
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None
