"""Serves a process's metrics over mutual TLS: only who holds a client certificate of our CA (Prometheus) may read."""

from __future__ import annotations

import os
import ssl
import time

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server

from app.certificates import Certificates
from app.settings import Settings
from app.telemetry.metrics_files import SteadyCollector


def registry() -> CollectorRegistry:
    """What to serve: under prefork the sum over all children, living and dead, else this process's own.

    A server in each child would show one child's share of the truth (measured by others: 10 to 25 times too little).
    """
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    summed = CollectorRegistry()
    SteadyCollector(summed)  # type: ignore[no-untyped-call]
    return summed


def serve(settings: Settings) -> None:
    """Start the server in a thread of this process."""
    if not settings.metrics_enabled:
        return
    certificates = Certificates(settings)
    server, _ = start_http_server(
        settings.metrics_port,
        registry=registry(),
        certfile=settings.tls_certificate_file,
        keyfile=settings.tls_key_file,
        client_cafile=settings.ca_file,
        client_auth_required=True,
    )
    next_look = time.monotonic()

    def refresh_certificate() -> None:
        nonlocal next_look
        if time.monotonic() >= next_look and isinstance(server.socket, ssl.SSLSocket):
            next_look = time.monotonic() + settings.certificate_refresh_seconds
            certificates.refresh(server.socket.context)

    # What socketserver calls between two connections, in the thread that accepts them.
    server.service_actions = refresh_certificate  # type: ignore[method-assign]
