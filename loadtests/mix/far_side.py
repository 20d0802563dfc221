"""Another system, for demo and tests: counts its calls, and fails, hangs or lies as it is told. Only standard library.

    GET  /locate?q=…         an answer; 404 if the words begin with "Nowhere"
    POST /charges            an effect for the key in Idempotency-Key; the same answer for a key that it knows
    GET  /charges/KEY        that effect, or 404
    PUT  /behaviour          {"mode": …, "times": …, "seconds": …}: how the next calls go
    GET  /seen               what arrived: path, key, time on its own clock, calls at once
    DELETE /seen             forgets everything, and behaves well

It runs in a container of the image, beside the stack (`far_side_container.py`, `tests/harness/fleet.py`).
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PORT = 8080
#: Words that begin so are no address.
REFUSED = "Nowhere"


class FarSide:
    """The calls and effects that it has seen, and its behaviour."""

    def __init__(self) -> None:
        """Nothing arrived yet."""
        self.lock = threading.Lock()
        self.seen: list[dict[str, Any]] = []
        self.effects: dict[str, dict[str, Any]] = {}
        self.done: list[str] = []
        self.behaviour: dict[str, Any] = {"mode": "well"}
        self.at_once = 0

    def arrive(self, path: str, key: str | None) -> dict[str, Any]:
        """Count a call; returns how to treat it."""
        with self.lock:
            self.at_once += 1
            self.seen.append({"path": path, "key": key, "at": time.monotonic(), "at_once": self.at_once})
            how = self.behaviour
            if "times" in how:
                how["times"] -= 1
                if how["times"] <= 0:
                    self.behaviour = {"mode": "well"}
            return dict(how)

    def leave(self) -> None:
        """A call is over."""
        with self.lock:
            self.at_once -= 1

    def charge(self, key: str, body: Any, *, believes_keys: bool) -> dict[str, Any]:
        """Have the effect: once for each key if it believes keys, otherwise for each call."""
        with self.lock:
            if believes_keys and key in self.effects:
                return self.effects[key]
            self.done.append(key)
            self.effects[key] = {"charge_id": f"ch-{len(self.done)}", "body": body}
            return self.effects[key]


FAR_SIDE = FarSide()


class Handler(BaseHTTPRequestHandler):
    """One call, in a thread of its own."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer what was seen, look up a charge, or locate."""
        if self.path == "/seen":
            with FAR_SIDE.lock:
                self._answer(200, {"seen": FAR_SIDE.seen, "done": FAR_SIDE.done})
        elif self.path.startswith("/charges/"):
            FAR_SIDE.seen.append({"path": self.path, "key": None, "at": time.monotonic(), "at_once": 0})
            effect = FAR_SIDE.effects.get(self.path.rpartition("/")[2])
            self._answer(404 if effect is None else 200, effect or {})
        else:
            self._call({"latitude": 52.5, "longitude": 13.4})

    def do_POST(self) -> None:
        """Charge."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._call(body)

    def do_DELETE(self) -> None:
        """Forget everything, and behave well."""
        with FAR_SIDE.lock:
            FAR_SIDE.seen, FAR_SIDE.done, FAR_SIDE.effects = [], [], {}
            FAR_SIDE.behaviour = {"mode": "well"}
        self._answer(200, {})

    def do_PUT(self) -> None:
        """Change how the next calls are treated."""
        with FAR_SIDE.lock:
            FAR_SIDE.behaviour = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(200, {})

    def _call(self, body: Any) -> None:
        key = self.headers.get("Idempotency-Key")
        how = FAR_SIDE.arrive(self.path, key)
        try:
            self._behave(how, key, body)
        finally:
            FAR_SIDE.leave()

    def _behave(self, how: dict[str, Any], key: str | None, body: Any) -> None:
        mode = how["mode"]
        if mode == "hangs":
            time.sleep(how["seconds"])
        if parse_qs(urlsplit(self.path).query).get("q", [""])[0].startswith(REFUSED):
            self._answer(404, {})
            return
        if mode == "refuses":
            later = {"Retry-After": str(how["retry_after"])} if "retry_after" in how else {}
            self._answer(how["status"], {}, **later)
            return
        done = body
        if self.command == "POST" and key is not None:
            done = FAR_SIDE.charge(key, body, believes_keys=not how.get("ignores_keys"))
        if mode == "does it, and says that it failed":
            self._answer(500, {})
        elif mode == "does it, and hangs up":
            self.close_connection = True
        elif mode == "does it, and answers nonsense":
            self._answer(200, "done!")
        else:
            self._answer(200, done)

    def _answer(self, status: int, document: Any, **headers: str) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class Server(ThreadingHTTPServer):
    """Accepts many connections at once."""

    request_queue_size = 256
    daemon_threads = True


if __name__ == "__main__":
    Server(("", PORT), Handler).serve_forever()
