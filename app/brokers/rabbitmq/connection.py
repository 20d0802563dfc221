"""AMQP connections that soon give up an address whose node is gone: behind one name another one answers.

py-amqp has one time-out for the first packet, the TLS handshake and each step of AMQP's. A busy broker needs seconds
for the last two. The first packet is answered by a kernel, at once or never.
"""

from __future__ import annotations

from typing import Any

import amqp
from amqp.transport import SSLTransport
from kombu.transport import TRANSPORT_ALIASES, pyamqp

#: A first packet that was lost is sent again after 1 s.
FIRST_PACKET_SECONDS = 2.0
TRANSPORT_ALIASES["amqps"] = f"{__name__}:Transport"


class _Socket(SSLTransport):
    def _connect(self, host: str, port: int, timeout: float) -> None:
        super()._connect(host, port, min(timeout, FIRST_PACKET_SECONDS))  # type: ignore[misc]  # unknown to the stubs


class Connection(amqp.Connection):
    """For processes that speak AMQP themselves, always over TLS."""

    def Transport(self, *arguments: Any, **options: Any) -> _Socket:  # noqa: N802 - py-amqp's hook, and its order
        """Make the socket of this connection."""
        names = ("host", "connect_timeout", "ssl", "read_timeout", "write_timeout")
        return _Socket(**dict(zip(names, arguments, strict=True)), **options)


class _CelerysConnection(Connection, pyamqp.Connection):
    pass


class Transport(pyamqp.SSLTransport):
    """What Celery's URL `amqps` means."""

    Connection = _CelerysConnection
