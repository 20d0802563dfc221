"""Stands before the emulator of SQS, in a container of its own, and fails as it is told: POST /door/<how>.

open: passes everything on. error: 503. throttled: 400 RequestThrottled. expired: 400 ExpiredToken. silent: takes each
request and never answers. Standard library only.
"""

from __future__ import annotations

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PORT = 4566
_STATUS = {"error": 503, "throttled": 400, "expired": 400}
_CODE = {"error": "ServiceUnavailable", "throttled": "RequestThrottled", "expired": "ExpiredTokenException"}
_DROPPED = {"connection", "transfer-encoding", "content-length"}
how = "open"
changed = threading.Condition()


class Door(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The health check."""
        self._pass_on()

    def do_POST(self) -> None:
        """A call of SQS, or an order."""
        global how  # noqa: PLW0603 - one door a process
        if self.path.startswith("/door/"):
            with changed:
                how = self.path.rpartition("/")[2]
                changed.notify_all()
            self._answer(200, b"{}")
        elif how == "silent":
            with changed:
                changed.wait_for(lambda: how != "silent")
            self.close_connection = True  # not one byte, and then the end
        elif how in _STATUS:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = {"__type": f"com.amazonaws.sqs#{_CODE[how]}", "message": "the test says so"}
            self._answer(_STATUS[how], json.dumps(body).encode())
        else:
            self._pass_on()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        emulator = http.client.HTTPConnection("emulator", _PORT, timeout=60)
        try:
            emulator.request(self.command, self.path, body, dict(self.headers))
            answer = emulator.getresponse()
            content = answer.read()
            self._answer(answer.status, content, answer.getheaders())
        finally:
            emulator.close()

    def _answer(self, status: int, content: bytes, headers: list[tuple[str, str]] | None = None) -> None:
        self.send_response(status)
        for name, value in headers or [("Content-Type", "application/x-amz-json-1.0")]:
            if name.lower() not in _DROPPED:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", _PORT), Door).serve_forever()  # noqa: S104 - in a container
