"""Tasks that call a far side under limits with short periods."""

from __future__ import annotations

from app.brokers.celery_app import celery_app
from app.kinds import at_least_once
from app.patterns.far_side import far_sides
from app.patterns.rate_limit import RateLimit
from app.settings import load

SHORT = RateLimit(name="short", calls=20, seconds=12)
CLOSED = RateLimit(name="closed", calls=1000, seconds=1)
OPEN = RateLimit(name="open", calls=12, seconds=6, processes=6)
FEW = RateLimit(name="few", calls=1000, seconds=1, in_flight=2)


def _call(path: str) -> None:
    far_sides().get(f"{load().examples_url}/{path}").raise_for_status()


@at_least_once(queue="external")
def short(number: int) -> None:
    """Call under a limit of 20 calls in 12 s."""
    with SHORT.turn():
        _call(f"short?{number}")


@at_least_once(queue="external")
def closed(number: int) -> None:
    """Call under a limit that is closed while Redis is away."""
    with CLOSED.turn():
        _call(f"closed?{number}")


@at_least_once(queue="external")
def opened(number: int) -> None:
    """Call under a limit that is open while Redis is away."""
    with OPEN.turn():
        _call(f"open?{number}")


@at_least_once(queue="external")
def few(number: int) -> None:
    """Call under a limit of two calls at once."""
    with FEW.turn():
        _call(f"few?{number}")


@celery_app.task(queue="external", rate_limit="2/s", ignore_result=True)
def celerys(number: int) -> None:
    """Call under Celery's own limit, which each worker keeps by itself."""
    _call(f"celerys?{number}")
