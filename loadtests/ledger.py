"""The ledger: every intent on disk before it is sent, outside the system under test.

Two append-only files of JSON lines. `intents.jsonl` is synced before any of its requests leaves; `outcomes.jsonl` is
only written, because an outcome that is lost turns an accepted request into an unknown one, which claims less, never
more. A crash can tear only the last line of a file, and a torn intent was never sent: readers drop it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from loadtests.errors import LedgerDamagedError
from loadtests.history import Attempt, Effect, History, Intent, Kind, Outcome, Result

INTENTS_FILE = "intents.jsonl"
OUTCOMES_FILE = "outcomes.jsonl"


class Ledger:
    """Writes one run's ledger; safe to use from several threads."""

    def __init__(self, folder: Path, *, run: str, sync: Callable[[int], object] = os.fsync) -> None:
        """Open the ledger of `run` in `folder`; `sync` is what makes a file durable (Locust passes one of gevent's)."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.run = run
        self._sync = sync
        self._intents = _open(folder / INTENTS_FILE)
        self._outcomes = _open(folder / OUTCOMES_FILE)
        self._lock = threading.Lock()
        self._sync_folder()

    def intend(self, intents: Sequence[Intent]) -> None:
        """Put intents on disk. They may be sent when this returns, and not before."""
        if not intents:
            return
        with self._lock:
            _write(self._intents, b"".join(orjson.dumps(_intent_record(intent)) + b"\n" for intent in intents))
            self._sync(self._intents)

    def record(self, result: Result) -> None:
        """Note what became of one request."""
        _write(self._outcomes, orjson.dumps(result) + b"\n")

    def close(self) -> None:
        """Make everything durable and close the files."""
        for descriptor in (self._intents, self._outcomes):
            os.fsync(descriptor)
            os.close(descriptor)

    def _sync_folder(self) -> None:
        """Make the names of the new files durable too."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_ledger(folder: Path) -> History:
    """Read a ledger back.

    An intent without an outcome is unknown: the generator may have died between the send and the note.

    Raises:
        LedgerDamagedError: a line other than a torn last one cannot be read, or an outcome has no intent.
    """
    intents = {intent.request_id: intent for intent in map(_intent, _records(folder / INTENTS_FILE))}
    results: dict[str, Result] = {}
    for record in _records(folder / OUTCOMES_FILE):
        result = Result(**{**record, "outcome": Outcome(record["outcome"])})
        if result.request_id not in intents:
            message = f"{OUTCOMES_FILE}: request {result.request_id} was never intended."
            raise LedgerDamagedError(message)
        results[result.request_id] = result
    return History(
        attempts=tuple(
            Attempt(
                intent=intent,
                result=results.get(request_id)
                or Result(request_id=request_id, outcome=Outcome.UNKNOWN, error="no outcome was written"),
            )
            for request_id, intent in intents.items()
        )
    )


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def _write(descriptor: int, data: bytes) -> None:
    """Append all of it; a short write (a full disk) must not pass for a whole one."""
    while data:
        data = data[os.write(descriptor, data) :]


def _intent_record(intent: Intent) -> dict[str, Any]:
    return {
        "request_id": intent.request_id,
        "kind": intent.kind,
        "intended_at": intent.intended_at,
        "effects": [(effect.event_id, effect.user_id, effect.amount, effect.digest) for effect in intent.effects],
    }


def _intent(record: dict[str, Any]) -> Intent:
    return Intent(
        request_id=record["request_id"],
        kind=Kind(record["kind"]),
        intended_at=record["intended_at"],
        effects=tuple(Effect(*effect) for effect in record["effects"]),
    )


def _records(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    lines = path.read_bytes().split(b"\n")
    # The part after the last line feed is empty, or was torn by a crash.
    for number, line in enumerate(lines[:-1], start=1):
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError as error:
            message = f"{path}, line {number}: {error}."
            raise LedgerDamagedError(message) from error
