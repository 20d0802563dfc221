"""The addresses of broker and database, and the effect that every peer's task has: one row.

It runs in a container of the application's image. A thread keeps one connection, which is the cheapest way there is.
"""

from __future__ import annotations

import os
import ssl
import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Json
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

_SECRETS = Path("/run/secrets/millrace")
CA_FILE = str(_SECRETS / "ca.crt")
BROKER_HOST = "rabbitmq"
#: User and virtual host have the same name; the password is made for one run.
BROKER_NAME, BROKER_PASSWORD = os.environ["PEERS_NAME"], os.environ["PEERS_PASSWORD"]
BROKER_URL = f"amqps://{BROKER_NAME}:{BROKER_PASSWORD}@{BROKER_HOST}:5671/{BROKER_NAME}"
DATABASE = (
    f"host=postgresql dbname=millrace user={(_SECRETS / 'postgresql_user').read_text().strip()} "
    f"password={(_SECRETS / 'postgresql_password').read_text().strip()} sslmode=verify-full sslrootcert={CA_FILE} "
    "options='-c search_path=peers'"
)
_INSERT = "INSERT INTO effects (id, event) VALUES (%s, %s)"
_thread = threading.local()


class Event(BaseModel):
    """The body of a request; Millrace's gateway takes the same."""

    event_id: UUID
    type: str
    occurred_at: str
    payload: dict[str, Any]


def trust() -> ssl.SSLContext:
    """The stack's own authority."""
    return ssl.create_default_context(cafile=CA_FILE)


def insert(event: dict[str, Any]) -> None:
    """The task's effect, committed at once."""
    if not hasattr(_thread, "connection"):
        _thread.connection = psycopg.connect(DATABASE, autocommit=True)
    _thread.connection.execute(_INSERT, (event["event_id"], Json(event)))


def pool() -> AsyncConnectionPool:
    """Connections for the peers that run on asyncio; open it in their loop."""
    return AsyncConnectionPool(DATABASE, min_size=2, max_size=8, open=False, kwargs={"autocommit": True})


async def insert_from(connections: AsyncConnectionPool, event: dict[str, Any]) -> None:
    """The same for a peer that runs on asyncio."""
    async with connections.connection() as connection:
        await connection.execute(_INSERT, (event["event_id"], Json(event)))
