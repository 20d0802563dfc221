"""How long a connection waits for an address, and for a broker behind it."""

from __future__ import annotations

from typing import Any

import pytest
from amqp.transport import SSLTransport

from app.brokers import wire
from app.brokers.celery_app import celery_app
from app.brokers.rabbitmq.connection import FIRST_PACKET_SECONDS
from app.settings import load


class ReachedError(Exception):
    """Ends the attempt where the address would be asked; carries its time-out."""


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(_socket: Any, _host: str, _port: int, timeout: float) -> None:
        raise ReachedError(timeout)

    monkeypatch.setattr(SSLTransport, "_connect", connect)


def test_celery_gives_up_a_silent_address_soon() -> None:
    """The handshakes keep the longer time that a busy broker needs."""
    connection = celery_app.connection_for_read()
    assert connection.connect_timeout > FIRST_PACKET_SECONDS
    with pytest.raises(ReachedError, match=str(FIRST_PACKET_SECONDS)):
        connection.transport.establish_connection()


def test_so_does_the_relay() -> None:
    """And whoever else speaks AMQP without Celery."""
    with pytest.raises(ReachedError, match=str(FIRST_PACKET_SECONDS)):
        wire.connect(load(), name="relay")
