"""`python -m app gateway`: one process, TLS, and a stop that lets the running requests finish."""

from __future__ import annotations

import signal
import ssl
from collections.abc import Callable

import structlog
import uvicorn

from app.brokers.chosen import announce
from app.certificates import Certificates
from app.gateway.application import create
from app.gateway.parts import assemble
from app.gateway.protocol import Bounds, bounded
from app.settings import load
from app.telemetry import context, logging

log = structlog.get_logger(__name__)

#: Seconds for running requests after SIGTERM: more than any of them takes, less than the container's grace period.
_SHUTDOWN_SECONDS = 15
#: Seconds that an idle connection is kept: longer than most clients keep theirs, so that they close and not we.
_KEEP_ALIVE_SECONDS = 75
#: Connections waiting to be accepted, in a burst.
_LISTEN_BACKLOG = 2048


def serve() -> None:
    """Serve until SIGTERM."""
    settings = load()
    logging.configure("gateway")
    announce()
    context.connect()
    certificates = Certificates(settings)

    async def refresh_certificate() -> None:
        if config.ssl is not None:
            certificates.refresh(config.ssl)

    config = uvicorn.Config(
        create(assemble(settings)),
        host=settings.gateway_host,
        port=settings.gateway_port,
        loop="uvloop",
        http=bounded(
            Bounds(
                head_max_bytes=settings.request_head_max_bytes,
                head_seconds=settings.request_head_seconds,
                connections=settings.connections_max,
            )
        ),
        ws="none",
        lifespan="on",
        ssl_certfile=settings.tls_certificate_file,
        ssl_keyfile=settings.tls_key_file,
        ssl_context_factory=_modern,
        callback_notify=refresh_certificate,
        timeout_notify=settings.certificate_refresh_seconds,
        log_config=None,  # ours
        access_log=False,  # ours says more
        server_header=False,
        proxy_headers=settings.trust_proxy_headers,
        backlog=_LISTEN_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    # uvicorn raises SIGTERM again after its own stop, which would end us without a last line and with a failure's code.
    signal.signal(signal.SIGTERM, lambda *_: None)
    log.info("gateway_starts", port=settings.gateway_port)
    uvicorn.Server(config).run()
    log.info("gateway_stopped")


def _modern(_: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    made = default()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made
