"""The last known address of a name, while the DNS does not answer.

When a node of a cluster is lost, one of its DNS servers often is, too. Until the cluster notices, chance decides which
questions go to the dead server, and each reconnect asks six: survivors that had everything they need stood still for
18 s (measured). A service's address does not change meanwhile. RFC 8767 does the same in DNS servers.
"""

from __future__ import annotations

import socket
from typing import Any

import structlog

log = structlog.get_logger(__name__)


def remember_addresses() -> None:
    """Answer from memory, in this process and its children, what the DNS has said before and fails to say now.

    A name that the DNS does not know any more is an error as ever, and so is one that it never said. Python offers no
    other place for this: amqp, psycopg, redis and asyncio all ask `socket.getaddrinfo`.
    """
    ask = socket.getaddrinfo
    known: dict[tuple[Any, ...], Any] = {}

    def getaddrinfo(*question: Any, **more: Any) -> Any:
        key = (*question, *sorted(more.items()))
        try:
            answer = known[key] = ask(*question, **more)
        except socket.gaierror as error:
            if error.errno != socket.EAI_AGAIN or key not in known:
                raise
            log.warning("address_from_memory", host=str(question[0] if question else more.get("host")))
            return known[key]
        return answer

    socket.getaddrinfo = getaddrinfo
