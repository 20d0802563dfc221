"""Ports on the loopback interface that are ours for a run and stay the same when a container comes back."""

from __future__ import annotations

import os
import random
import socket

#: Below the kernel's ephemeral range: no outgoing connection can take one between the look and the start.
_LOW, _HIGH = 20_000, 32_000
_given: set[int] = set()


def _own_range() -> range:
    """The ports of this xdist worker: each has every n-th, because two that chose freely once took the same port."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return range(_LOW + number, _HIGH, workers)


def free_port() -> int:
    """A port that nobody listens on, chosen at random because other runs on this machine choose too."""
    ports = _own_range()
    while True:
        port = random.choice(ports)  # noqa: S311 - a port, not a secret
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
