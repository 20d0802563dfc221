"""Procrastinate: jobs are rows of PostgreSQL, and no broker is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from procrastinate import App, PsycopgConnector

from loadtests.peers.programs.surroundings import DATABASE, Event, insert_from, pool

app = App(connector=PsycopgConnector(conninfo=DATABASE, min_size=2, max_size=8))
connections = pool()


@app.task(name="record", queue="events")
async def record(event: dict[str, Any]) -> None:
    """The task."""
    if connections.closed:
        await connections.open()
    await insert_from(connections, event)


@asynccontextmanager
async def _lifespan(_api: FastAPI) -> AsyncIterator[None]:
    async with app.open_async():
        yield


api = FastAPI(lifespan=_lifespan)


@api.post("/v1/events", status_code=202)
async def accept(event: Event) -> None:
    """The endpoint."""
    await record.defer_async(event=event.model_dump(mode="json"))
