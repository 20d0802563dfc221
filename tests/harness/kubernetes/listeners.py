"""Reads from a pod's own kernel where its processes listen."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from tests.harness.kubernetes.kubectl import Kubectl

_LISTEN = "0A"


def listening(kubectl: Kubectl, namespace: str, pod: str, container: str) -> frozenset[int]:
    """The TCP ports that somebody outside the pod could reach."""
    code, said = kubectl.execute(namespace, pod, container, "cat", "/proc/net/tcp", "/proc/net/tcp6")
    # A node without IPv6 has no tcp6; then `cat` says so and shows the other one.
    assert "local_address" in said, f"{namespace}/{pod}: no list of sockets (exit code {code})"
    return frozenset(_ports(said))


def _ports(table: str) -> Iterator[int]:
    for line in table.splitlines():
        _, local, _, state, *_ = [*line.split(), "", "", ""][:8]
        if state == _LISTEN:
            address, _, port = local.partition(":")
            if not _address(address).is_loopback:
                yield int(port, 16)


def _address(digits: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The kernel writes each 32 bits in the machine's order: little-endian wherever we run."""
    words = [bytes.fromhex(digits[start : start + 8])[::-1] for start in range(0, len(digits), 8)]
    return ipaddress.ip_address(b"".join(words))
