"""Taskiq on RabbitMQ: a quorum queue, which is its broker's default."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from taskiq import TaskiqEvents, TaskiqState
from taskiq_aio_pika import AioPikaBroker

from loadtests.peers.programs.surroundings import BROKER_URL, CA_FILE, Event, insert_from, pool

broker = AioPikaBroker(f"{BROKER_URL}?cafile={CA_FILE}")
connections = pool()


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def open_connections(_state: TaskiqState) -> None:
    """In the worker's loop."""
    await connections.open()


@broker.task
async def record(event: dict[str, Any]) -> None:
    """The task."""
    await insert_from(connections, event)


@asynccontextmanager
async def _lifespan(_api: FastAPI) -> AsyncIterator[None]:
    await broker.startup()
    yield
    await broker.shutdown()


api = FastAPI(lifespan=_lifespan)


@api.post("/v1/events", status_code=202)
async def accept(event: Event) -> None:
    """The endpoint."""
    await record.kiq(event.model_dump(mode="json"))
