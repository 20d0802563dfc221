"""Handshakes by hand."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path


def answers_tls(port: int, ca_file: Path) -> bool:
    """Whether somebody with a certificate of the CA completes a handshake there.

    Raises:
        OSError: nobody does.
    """
    context = ssl.create_default_context(cafile=str(ca_file))
    with socket.create_connection(("127.0.0.1", port), timeout=3) as plain:
        plain.settimeout(3)
        with context.wrap_socket(plain, server_hostname="localhost"):
            return True


def plain_answer(port: int, words: bytes) -> bytes:
    """What a port answers to somebody who speaks without TLS; a refusal by silence or reset is nothing."""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as plain:
        plain.settimeout(3)
        try:
            plain.sendall(words)
            return plain.recv(200)
        except OSError:
            return b""
