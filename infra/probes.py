"""How the kubelet knows that a container has started, may be sent clients, and is beyond help. Times in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi_kubernetes.core import v1 as core


@dataclass(frozen=True, kw_only=True)
class Probes:
    """A container's; None where it has none."""

    startup: core.ProbeArgs | None = None
    readiness: core.ProbeArgs | None = None
    liveness: core.ProbeArgs | None = None


NO_PROBES = Probes()


def exec_probe(command: Sequence[str], *, every: int = 10, failures: int = 3, timeout: int = 5) -> core.ProbeArgs:
    """Runs a command in the container."""
    return core.ProbeArgs(
        exec_=core.ExecActionArgs(command=list(command)),
        period_seconds=every,
        failure_threshold=failures,
        timeout_seconds=timeout,
    )


def tcp_probe(port: int, *, every: int = 10, failures: int = 3, timeout: int = 5) -> core.ProbeArgs:
    """Opens a connection."""
    return core.ProbeArgs(
        tcp_socket=core.TCPSocketActionArgs(port=port),
        period_seconds=every,
        failure_threshold=failures,
        timeout_seconds=timeout,
    )


def https_probe(path: str, port: int, *, every: int = 10, failures: int = 3, timeout: int = 5) -> core.ProbeArgs:
    """Asks over HTTPS; the kubelet does not verify the certificate."""
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(path=path, port=port, scheme="HTTPS"),
        period_seconds=every,
        failure_threshold=failures,
        timeout_seconds=timeout,
    )
