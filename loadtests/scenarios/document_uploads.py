"""Documents that are uploaded first and then named in an item (docs/patterns/uploads.md)."""

from __future__ import annotations

import uuid
from functools import lru_cache
from hashlib import sha256

import gevent
import orjson

from loadtests.closed_loop.user import ByArgument, MillraceUser, scenario
from loadtests.mix.uploads import document

__all__ = ["ByArgument"]

_UPLOADS, _TASK = "/v1/uploads", "/v1/tasks/count_words"
_STORED, _THERE, _ABSENT, _LATER = 201, 200, 404, 429
#: A client waits so long after a 429; the gateway takes two uploads of an API key at once.
_AGAIN_SECONDS = 2.0


@lru_cache(maxsize=1)
def _text() -> bytes:
    return document("locust", 0)


class Uploads(MillraceUser):
    """Uploads a new document, uploads it again, and has its words counted."""

    @scenario("upload")
    def upload(self) -> None:
        """A document of about 400 KB."""
        content = uuid.uuid4().hex.encode() + b"\n" + _text()
        key = sha256(content).hexdigest()
        self.ask("GET", f"{_UPLOADS}/{key}", name=f"{_UPLOADS}/{{upload_key}} (absent)", expected=(_ABSENT,))
        if self._store(content, key, expected=_STORED) and self._store(content, key, expected=_THERE):
            item = {"document_id": str(uuid.uuid4()), "upload": key}
            self.submit(_TASK, orjson.dumps(item))

    def _store(self, content: bytes, key: str, *, expected: int) -> bool:
        """Upload it; a 429 says that others of this key are under way, and is no failure."""
        name = _UPLOADS if expected == _STORED else f"{_UPLOADS} (again)"
        while True:
            answer = self.ask(
                "POST", _UPLOADS, content, name=name, expected=(expected, _LATER),
                more_headers={"Content-Type": "application/octet-stream"},
                check=lambda said: None if said.get("key", key) == key else "the key is not the SHA-256",
            )  # fmt: skip
            if answer is None or answer["status"] == expected:
                return answer is not None
            gevent.sleep(_AGAIN_SECONDS)
