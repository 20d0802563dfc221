"""Sends requests until the gateway takes them. Each may be repeated: it takes effect once, however often it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from app import contract
from loadtests.errors import HarnessError

#: The gateway refuses while too much waits, and a request may find no answer while servers move.
PATIENCE_SECONDS = 120.0
_AGAIN_SECONDS = 1.0
_NOT_NOW = frozenset({httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE})


class NotNowError(Exception):
    """The gateway refuses for now."""


def repeat(
    client: httpx.Client,
    method: str,
    path: str,
    content: bytes = b"",
    *,
    key: str | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> dict[str, Any]:
    """Repeat a request until the answer is not a refusal for now; returns the answer. `key` makes a POST repeatable.

    Raises:
        HarnessError: the request is refused, or found no answer in time.
    """
    again = Retrying(
        stop=stop_after_delay(patience_seconds),
        wait=wait_fixed(_AGAIN_SECONDS),
        retry=retry_if_exception_type((NotNowError, httpx.TransportError)),
        reraise=True,
    )
    try:
        answer = again(_ask, client, method, path, content, {contract.HEADER_IDEMPOTENCY_KEY: key} if key else {})
    except (NotNowError, httpx.TransportError) as error:
        raise HarnessError(f"{method} {path}: no answer in {patience_seconds:g} s; the last: {error}") from error
    if answer.is_error:
        raise HarnessError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
    return dict(answer.json())


def _ask(client: httpx.Client, method: str, path: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
    answer = client.request(method, path, content=content, headers=headers)
    if answer.status_code in _NOT_NOW:
        raise NotNowError(f"{answer.status_code} {answer.text[:300]}")
    return answer


class Sender:
    """A pattern's way to the gateway, and its pace."""

    def __init__(self, client: httpx.Client, run: str, *, seconds: float, ended: threading.Event) -> None:
        """`seconds` is the length of the load; when `ended` is set, the rest is sent at once."""
        self._client = client
        self.run = run
        self.seconds = seconds
        self._ended = ended

    def post(self, path: str, body: object, *, key: str) -> dict[str, Any]:
        """Post a document under a key that is this run's own."""
        return self.post_text(path, orjson.dumps(body), key=key)

    def post_text(self, path: str, text: bytes, *, key: str) -> dict[str, Any]:
        """Post the text of a document, as `post` does."""
        return repeat(self._client, "POST", path, text, key=f"{self.run}-{key}")

    def upload(self, path: str, content: bytes) -> dict[str, Any]:
        """Post content whose address is its hash, so that it needs no key."""
        return repeat(self._client, "POST", path, content)

    def put(self, path: str, body: object) -> dict[str, Any]:
        """Put a document."""
        return repeat(self._client, "PUT", path, orjson.dumps(body))

    def get(self, path: str) -> dict[str, Any]:
        """Get a document."""
        return repeat(self._client, "GET", path)

    def spread(self, count: int, *, over_seconds: float) -> Iterator[int]:
        """Numbers from 0, evenly over this time or the load's, whichever is shorter."""
        began = time.monotonic()
        for number in range(count):
            due = began + number * min(over_seconds, self.seconds) / count
            self._ended.wait(max(0.0, due - time.monotonic()))
            yield number
