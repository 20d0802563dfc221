"""The gateway's application without servers: it admits every caller, and tests see what routes read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.gateway.api_keys import KeyRecord
from app.gateway.application import create
from app.gateway.parts import Caller, assemble
from app.settings import Settings

KEY = KeyRecord(
    api_key_id="a" * 16, secret_hash=b"", scopes=frozenset(), requests_per_second=1.0, revoked=False
)  # fmt: skip

Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The application, as the gateway serves it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLRACE_SECRETS_DIR", str(Path(tmp_path_factory.mktemp("secrets"))))
        yield create(assemble(Settings()))


@pytest.fixture
def ask(gateway: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Send a request."""

    async def admit(*_: object, request: object) -> KeyRecord:  # noqa: ARG001 - as FastAPI calls it
        return KEY

    async def run(work: Callable[[Any], Awaitable[Any]], **_: object) -> Any:
        return await work(None)

    monkeypatch.setattr(Caller, "__call__", admit)
    monkeypatch.setattr(gateway.state.parts.database, "run", run)

    def send(method: str, url: str, **options: Any) -> httpx.Response:
        async def sent() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(gateway), base_url="http://gateway") as client:
                return await client.request(method, url, **options)

        return asyncio.run(sent())

    return send


def pointers(answer: httpx.Response) -> list[str]:
    """The pointers of a problem document."""
    return [error["pointer"] for error in answer.json()["errors"]]
