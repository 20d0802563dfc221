"""What the routes work with, made once per process."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from app.gateway.acceptance import Acceptance
from app.gateway.authentication import Authenticator
from app.gateway.bodies import BodyMemory
from app.gateway.database import Database
from app.gateway.rate_limits import RateLimiter
from app.gateway.shedding import Shedder
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
    body_memory: BodyMemory


def assemble(settings: Settings) -> Parts:
    """Make the parts; nothing is connected yet."""
    database = Database(settings)
    return Parts(
        settings=settings,
        database=database,
        acceptance=Acceptance(database),
        authenticator=Authenticator(database),
        limiter=RateLimiter(settings),
        shedder=Shedder(database, settings),
        body_memory=BodyMemory(settings.bodies_max_bytes),
    )


def parts_of(request: Request) -> Parts:
    """The parts of the application that serves this request."""
    parts: Parts = request.app.state.parts
    return parts
