"""Calls another system over HTTP and tells what its answer means: done, refused for good, or not now."""

from __future__ import annotations

import ssl
from collections.abc import Collection
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import httpx

from app.errors import FarSideBusyError, PoisonError

#: The longest wait that a far side can ask for; a longer one is cut to this.
RETRY_AFTER_MAX_SECONDS = 3600.0
#: Statuses of a far side that has not done what was asked. A proxy may answer 5xx after the far side has done it.
_NOT_DONE = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_EARLY, httpx.codes.TOO_MANY_REQUESTS})
#: Errors before anything was sent.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@lru_cache(maxsize=1)
def far_sides() -> httpx.Client:
    """This process's client: it keeps connections open, trusts the CAs of the system, and waits 5 s for each read.

    Call this after a fork, never before. Only the task's time limit bounds the whole call.
    """
    return httpx.Client(verify=ssl.create_default_context(), timeout=5)


def ask(method: str, url: str, *, accept: Collection[int] = (), **options: Any) -> httpx.Response:
    """Make a call; returns the answer if its status is 2xx or one of `accept`.

    Raises:
        FarSideBusyError: there is no answer, or the answer says not now.
        PoisonError: the same call would be refused again.
    """
    try:
        answer = far_sides().request(method, url, **options)
    except httpx.TransportError as error:
        said = f"({httpx.URL(url).host}: {error!r})"
        raise FarSideBusyError(said, surely_not_done=isinstance(error, _NOT_SENT)) from error
    return answer if answer.status_code in accept else settled(answer)


def settled(answer: httpx.Response) -> httpx.Response:
    """Return the answer if the far side has done what was asked.

    Raises:
        FarSideBusyError: 408, 425, 429 and 5xx: call again, no sooner than Retry-After says.
        PoisonError: any other status: the same call would be refused again.
    """
    if answer.is_success:
        return answer
    said = f"({answer.request.url.host} answers {answer.status_code})"
    not_done = answer.status_code in _NOT_DONE
    if answer.is_server_error or not_done:
        raise FarSideBusyError(said, after_seconds=retry_after_seconds(answer), surely_not_done=not_done)
    raise PoisonError(said)


def retry_after_seconds(answer: httpx.Response) -> float:
    """The wait that Retry-After asks for, as seconds or a date: at most an hour, 0 if it is missing or unreadable."""
    said = answer.headers.get("Retry-After", "").strip()
    if said.isdecimal() and said.isascii():
        return min(float(said[:9]), RETRY_AFTER_MAX_SECONDS)
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(0.0, seconds), RETRY_AFTER_MAX_SECONDS)
