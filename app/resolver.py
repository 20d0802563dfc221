"""The last known address of a name, while the DNS does not answer.

When a node of a cluster is lost, one of its DNS servers often is, too. Until the cluster notices, chance decides which
questions go to the dead server, and each reconnect asks six: survivors that had everything they need stood still for
18 s (measured). A service's address does not change meanwhile. RFC 8767 does the same in DNS servers.
"""

from __future__ import annotations

import socket
import time
from typing import Any

import structlog

log = structlog.get_logger(__name__)

#: How long a DNS that was silent is not asked again for what it has said: each question costs seconds.
SILENT_SECONDS = 10.0


def remember_addresses() -> None:
    """Answer from memory, in this process and its children, what the DNS has said before and fails to say now.

    A name that the DNS does not know any more is an error as ever, and so is one that it never said. Python offers no
    other place for this: amqp, psycopg and redis ask `socket.getaddrinfo`, and the gateway does so beside uvloop.
    """
    ask = socket.getaddrinfo
    known: dict[tuple[Any, ...], Any] = {}
    silent_until = 0.0

    def getaddrinfo(*question: Any, **more: Any) -> Any:
        nonlocal silent_until
        key = (*question, *sorted(more.items()))
        if time.monotonic() < silent_until and key in known:
            return known[key]
        try:
            answer = known[key] = ask(*question, **more)
        except socket.gaierror as error:
            if error.errno != socket.EAI_AGAIN or key not in known:
                raise
            silent_until = time.monotonic() + SILENT_SECONDS
            log.warning("address_from_memory", host=str(question[0] if question else more.get("host")))
            return known[key]
        return answer

    socket.getaddrinfo = getaddrinfo
