"""A server's certificate follows its file: it is renewed by replacing the file, and no process restarts for that.

Only servers need this. Clients read the CA's file at each new connection (libpq, py-amqp).
"""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog

from app.settings import Settings

log = structlog.get_logger(__name__)


class Certificates:
    """The certificate of a server's TLS context; `refresh` loads it again when the file has changed."""

    def __init__(self, settings: Settings) -> None:
        """Remember what was there when the context was made; make this before the context."""
        self._paths = (settings.tls_certificate_file, settings.tls_key_file)
        self._ca_file = settings.ca_file
        self._seen = self._look()

    def refresh(self, context: ssl.SSLContext) -> bool:
        """Serve new connections with what the files hold now; True if that is new. What is of no use is left alone."""
        try:
            found = self._look()
            if found == self._seen:
                return False
            # First elsewhere: a certificate whose key does not fit yet would leave the server without any.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._paths)
            context.load_cert_chain(*self._paths)
            if context.verify_mode is ssl.CERT_REQUIRED:
                context.load_verify_locations(self._ca_file)  # adds: clients of the old CA are still let in
        except OSError as error:  # ssl.SSLError is one
            log.warning("certificate_not_loaded", reason=str(error))
            return False
        self._seen = found
        log.info("certificate_loaded", file=self._paths[0])
        return True

    def _look(self) -> tuple[bytes, ...]:
        return tuple(Path(path).read_bytes() for path in (*self._paths, self._ca_file))
