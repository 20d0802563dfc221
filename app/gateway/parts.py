"""The objects that the routes share, made once per process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from app.contract import Scope
from app.gateway.acceptance import Acceptance
from app.gateway.api_keys import KeyRecord
from app.gateway.authentication import Authenticator
from app.gateway.bodies import BodyMemory
from app.gateway.database import Database
from app.gateway.object_store import ObjectStore
from app.gateway.rate_limits import RateLimiter
from app.gateway.reachability import Reachability
from app.gateway.result_stores import PostgreSQLResults, RedisResults, ResultStore
from app.gateway.shares import Shares
from app.gateway.shedding import Shedder
from app.gateway.upload_slots import UploadSlots
from app.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The gateway's parts."""

    settings: Settings
    database: Database
    acceptance: Acceptance
    authenticator: Authenticator
    limiter: RateLimiter
    shedder: Shedder
    shares: Shares
    body_memory: BodyMemory
    object_store: ObjectStore
    reachability: Reachability
    upload_slots: UploadSlots
    redis_results: RedisResults
    #: By the value of `result=` in a declaration.
    results: Mapping[str, ResultStore]


def assemble(settings: Settings) -> Parts:
    """Make the parts; nothing is connected yet."""
    database, redis_results = Database(settings), RedisResults(settings)
    limiter, object_store = RateLimiter(settings), ObjectStore(settings, database)
    servers = {"redis": limiter.ask} | ({"objectstore": object_store.ask} if object_store.configured else {})
    return Parts(
        settings=settings,
        database=database,
        acceptance=Acceptance(database),
        authenticator=Authenticator(database),
        limiter=limiter,
        shedder=Shedder(database, settings),
        shares=Shares(per_second=settings.share_items_per_second, reserve=settings.share_reserve_items),
        body_memory=BodyMemory(settings.bodies_max_bytes),
        object_store=object_store,
        reachability=Reachability(servers),
        upload_slots=UploadSlots(at_once=settings.uploads_at_once, of_one_key=settings.uploads_at_once_of_one_key),
        redis_results=redis_results,
        results={"redis": redis_results, "postgresql": PostgreSQLResults(database, settings)},
    )


def parts_of(request: Request) -> Parts:
    """The parts of the application that serves this request."""
    parts: Parts = request.app.state.parts
    return parts


class Caller:
    """A route's dependency: the caller's API key, after checks of its scope and its rate limit."""

    def __init__(self, scope: Scope) -> None:
        """Name the scope. FastAPI calls the dependency before it reads the request's parameters."""
        self._scope = scope

    async def __call__(self, request: Request) -> KeyRecord:
        """Return the key, and count the request.

        Raises:
            ProblemError: 401, 403, 429; 503 if PostgreSQL cannot be asked for the key.
        """
        parts = parts_of(request)
        key = await parts.authenticator.require(request, self._scope)
        await parts.limiter.check(key.api_key_id, key.requests_per_second)
        return key
