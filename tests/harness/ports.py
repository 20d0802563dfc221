"""Ports on the loopback interface that are ours for a run and stay the same when a container comes back."""

from __future__ import annotations

import random
import socket

#: Below the kernel's ephemeral range: no outgoing connection can take one between the look and the start.
_RANGE = range(20_000, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, chosen at random because other workers choose too."""
    while True:
        port = random.choice(_RANGE)  # noqa: S311 - a port, not a secret
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
