"""Sources of events: made up, or replayed from a file over and over; always with fresh ids."""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import orjson

from loadtests.digest import digest, microseconds
from loadtests.errors import InputFileError
from loadtests.history import Effect

#: Users of a generated run: few enough that each is hit many times, so that one doubled effect shows in a total.
GENERATED_USERS = 500
GENERATED_TYPES = ("order.placed", "order.paid", "page.viewed", "profile.changed")
#: Brings a generated event to about 300 bytes, the size that the throughput promise is given for.
_PADDING = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" + "0123456789" * 4
#: Errors shown for one file; the rest is counted.
_ERRORS_SHOWN = 10
_FIELDS = {"event_id", "type", "occurred_at", "payload"}


class EventSource(Protocol):
    """An endless stream of events: what each must do, and its JSON."""

    def __iter__(self) -> Iterator[tuple[Effect, bytes]]:
        """Begin the stream."""
        ...


def _fresh_ids(run: str) -> Iterator[str]:
    """Random UUIDs of this run: two runs never share one, even with the same seed."""
    rng = random.Random(f"{run}:{uuid.uuid4()}")  # noqa: S311 - ids, not secrets
    while True:
        yield str(uuid.UUID(int=rng.getrandbits(128), version=4))


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedEvents:
    """Events of about 300 bytes for users that only this run knows, so that their totals are the run's own."""

    run: str
    seed: int = 1
    users: int = GENERATED_USERS

    def __iter__(self) -> Iterator[tuple[Effect, bytes]]:
        """Begin the stream."""
        rng = random.Random(self.seed)  # noqa: S311 - load, not secrets
        for event_id in _fresh_ids(self.run):
            user, amount = f"{self.run}-u{rng.randrange(self.users)}", rng.randint(1, 100)
            event = {
                "event_id": event_id,
                "type": rng.choice(GENERATED_TYPES),
                "occurred_at": datetime.now(UTC).isoformat(),
                "payload": {"user_id": user, "amount": amount, "note": _PADDING},
            }
            yield Effect(event_id, user, amount, digest_of(event)), orjson.dumps(event)


@dataclass(frozen=True, slots=True)
class _ReplayedEvent:
    user_id: str
    amount: int
    digest: str
    after_id: bytes


@dataclass(frozen=True, slots=True)
class ReplayedEvents:
    """The events of a file, in order, again and again, each time with a fresh id."""

    run: str
    events: tuple[_ReplayedEvent, ...]
    mean_bytes: float

    @classmethod
    def from_file(cls, path: Path, *, run: str) -> ReplayedEvents:
        """Read and check a file of JSON lines.

        Raises:
            InputFileError: says each bad line, what is wrong with it, and what is expected.
        """
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            message = f"{path}: {error.strerror or error}."
            raise InputFileError(message) from error
        events: list[_ReplayedEvent] = []
        problems: list[str] = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                events.append(_replayed(line))
            except ValueError as error:
                problems.append(f"  line {number}: {error}")
        if problems:
            shown = "\n".join(problems[:_ERRORS_SHOWN])
            rest = f"\n  and {len(problems) - _ERRORS_SHOWN} more lines" if len(problems) > _ERRORS_SHOWN else ""
            message = f"{path}:\n{shown}{rest}"
            raise InputFileError(message)
        if not events:
            message = f"{path}: there is no event in it."
            raise InputFileError(message)
        return cls(run=run, events=tuple(events), mean_bytes=sum(map(len, lines)) / len(events))

    def __iter__(self) -> Iterator[tuple[Effect, bytes]]:
        """Begin the stream."""
        for event_id, event in zip(_fresh_ids(self.run), itertools.cycle(self.events), strict=False):
            effect = Effect(event_id, event.user_id, event.amount, event.digest)
            yield effect, b'{"event_id":"' + event_id.encode() + b'",' + event.after_id


def _replayed(line: bytes) -> _ReplayedEvent:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        message = f"is not JSON ({error})"
        raise ValueError(message) from error
    if not isinstance(event, dict):
        message = "must be a JSON object"
        raise ValueError(message)  # noqa: TRY004 - one kind of error for one bad line
    if missing := _FIELDS - event.keys():
        message = f"lacks {', '.join(sorted(missing))}"
        raise ValueError(message)
    if unknown := event.keys() - _FIELDS:
        message = f"has unknown fields {', '.join(sorted(unknown))}; remove them, or move them into payload"
        raise ValueError(message)
    _check_fields(event)
    rest = orjson.dumps({name: event[name] for name in ("type", "occurred_at", "payload")})
    return _ReplayedEvent(
        user_of(event["payload"], event["type"]), amount_of(event["payload"]), digest_of(event), rest[1:]
    )


def _check_fields(event: dict[str, Any]) -> None:
    try:
        uuid.UUID(event["event_id"])
    except (ValueError, AttributeError, TypeError) as error:
        message = f"event_id: must be a UUID, not {event['event_id']!r}"
        raise ValueError(message) from error
    if not isinstance(event["type"], str) or not 1 <= len(event["type"]) <= 200:
        message = f"type: must be a string of 1 to 200 characters, not {event['type']!r}"
        raise ValueError(message)
    try:
        moment = datetime.fromisoformat(event["occurred_at"])
    except (ValueError, TypeError) as error:
        message = f"occurred_at: must be a time like 2026-01-31T12:00:00Z, not {event['occurred_at']!r}"
        raise ValueError(message) from error
    if moment.tzinfo is None:
        message = f"occurred_at: must name its time zone (Z or +01:00), not {event['occurred_at']!r}"
        raise ValueError(message)
    if not isinstance(event["payload"], dict):
        message = "payload: must be a JSON object"
        raise ValueError(message)  # noqa: TRY004 - one kind of error for one bad line


def digest_of(event: dict[str, Any]) -> str:
    """What its stored row must come to as well."""
    return digest(event["type"], microseconds(event["occurred_at"]), event["payload"])


def user_of(payload: dict[str, Any], event_type: str) -> str:
    """Whose account an event moves; said again here: an oracle that asked the application would agree with it."""
    user = payload.get("user_id")
    if isinstance(user, str | int) and not isinstance(user, bool):
        return str(user)
    sender = payload.get("sender")
    if isinstance(sender, dict) and isinstance(sender.get("login"), str):
        return str(sender["login"])
    return event_type


def amount_of(payload: dict[str, Any]) -> int:
    """By how much an event moves it."""
    amount = payload.get("amount")
    if isinstance(amount, int) and not isinstance(amount, bool) and 1 <= amount <= 10**9:
        return amount
    return 1
