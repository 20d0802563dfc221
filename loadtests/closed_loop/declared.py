"""The body that DeclaredTask sends: the example of a task, or the file that `--body` names."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import httpx
import orjson
from locust import events

from loadtests.closed_loop import gateway
from loadtests.closed_loop.example import item, schema_of
from loadtests.closed_loop.gateway import SettingError

#: In the file of `--body`: new in each request.
PLACEHOLDER = b"{{uuid}}"


def template(host: str, task: str, body_file: str) -> Callable[[], bytes]:
    """Makes a body for each request.

    Raises:
        SettingError: the gateway does not declare the task, or there is no body for it.
    """
    document = _document(host)
    schema = schema_of(document, task)
    if body_file:
        return partial(_filled, _read(body_file))
    item(document, schema)
    return lambda: orjson.dumps(item(document, schema))


def _filled(text: bytes) -> bytes:
    return text.replace(PLACEHOLDER, str(uuid.uuid4()).encode())


def _read(body_file: str) -> bytes:
    try:
        text = Path(body_file).read_bytes()
        orjson.loads(_filled(text))
    except OSError as error:
        raise SettingError(f"--body: {body_file}: {error.strerror or error}.") from error
    except orjson.JSONDecodeError as error:
        raise SettingError(f"--body: {body_file} is no JSON: {error}.") from error
    return text


@lru_cache(maxsize=4)
def _document(host: str) -> Any:
    try:
        with gateway.open_client(host) as client:
            return client.get("/openapi.json").raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise SettingError(f"{host}/openapi.json: {error}.") from error


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def forget(**_: Any) -> None:
    """The gateway may be a newer release than in the last run."""
    _document.cache_clear()
