"""From a dead letter back to a message for the outbox: the same task, without the marks of its death."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app import contract
from app.brokers import wire
from app.brokers.message_body import Call, UnreadableBodyError, read_call, read_edited
from app.brokers.senders import USER_ID, overreach
from app.deadletters.archive_queries import StoredLetter
from app.errors import ReplayRefusedError, UnwritableMessageError
from app.storage.identifiers import new_id, task_uuid
from app.storage.outbox import OutboxMessage

#: Marks of deliveries and deaths. With x-death left on, RabbitMQ sees a cycle at the next death and drops the message.
_BROKER_HEADERS = ("x-death", "x-first-death", "x-last-death", "x-delivery-count", "x-acquired-count")
#: Headers of the first life: when it was published (a replay's wait is nobody's latency), what it waited for, and what
#: became of it.
_FIRST_LIFE = (
    contract.MESSAGE_PUBLISHED_AT, contract.MESSAGE_PARKED_SINCE, contract.MESSAGE_RELEASE_SINCE, contract.MESSAGE_RAN,
    contract.MESSAGE_DROP_AS,
)  # fmt: skip
#: Properties that a message keeps. Not `expiration` (it would expire at once), `message_id` (the relay gives its own),
#: `user_id` (RabbitMQ checks it against the publisher) nor `timestamp` (the archive holds it as text).
_KEPT = ("content_type", "content_encoding", "priority", "correlation_id", "reply_to", "type", "app_id")
_PERSISTENT = 2
#: Days that a message may live before it dies: six attempts that each wait a day for PostgreSQL, and some.
_LIFE_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What an operator changes on the way: the task's name, the body."""

    task: str | None = None
    body: bytes | None = None

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        return self.task is not None or self.body is not None


def remembered_since(inbox_days: int) -> datetime:
    """What died since then is in the inbox if it was executed, however long it lived before it died."""
    return datetime.now(UTC) - timedelta(days=max(1, inbox_days - _LIFE_DAYS))


def rebuild(
    letter: StoredLetter,
    *,
    edit: Edit = Edit(),
    include_chords: bool = False,
    remembered_since: datetime | None = None,
) -> OutboxMessage:
    """The message to publish again.

    Args:
        letter: what died.
        edit: what is changed on the way.
        include_chords: a member of a chord too.
        remembered_since: letters that died before are refused; None: of any age.

    Raises:
        ReplayRefusedError: it cannot be, or should not; the message says what would help.
    """
    if letter.queue not in contract.queue_names():
        raise ReplayRefusedError(f"{letter.queue!r} is not a declared queue: {', '.join(contract.queue_names())}")
    if remembered_since is not None and letter.died_at < remembered_since:
        raise ReplayRefusedError(
            f"it died on {letter.died_at:%Y-%m-%d}: the inbox may have forgotten what it did before and would let it "
            "happen twice; --forgotten replays it all the same"
        )
    headers = living_headers(letter.properties.get("application_headers") or {})
    if edit.task is not None:
        if headers.get(contract.MESSAGE_ORDER):
            raise ReplayRefusedError(
                "it has a place in the order of its task, and another task would not end that: discard it, and send "
                "the other task anew"
            )
        headers["task"] = edit.task
    if not headers.get("task"):
        raise ReplayRefusedError("it has no task name; give one with --task")
    headers["id"] = headers.get("id") or str(new_id())
    properties = {name: letter.properties[name] for name in _KEPT if letter.properties.get(name) is not None}
    properties |= {"application_headers": headers, "delivery_mode": _PERSISTENT}
    body = letter.body
    if edit.body is not None:
        body = _edited(edit.body)
        # `argsrepr` and `kwargsrepr` are for logs, and would show the old arguments.
        for stale in ("argsrepr", "kwargsrepr", "compression"):
            headers.pop(stale, None)
        properties |= {"content_type": "application/json", "content_encoding": "utf-8"}
    if not include_chords and _in_chord(body, properties):
        raise ReplayRefusedError(
            "it belongs to a chord, which may have counted it; --include-chords replays it all the same"
        )
    if said := _overreach(body, letter.properties):
        raise ReplayRefusedError(f"{said}; it came from {letter.properties.get(USER_ID) or 'an unnamed sender'}")
    _check_publishable(body, properties)
    return OutboxMessage(
        task_id=task_uuid(headers["id"]) or letter.task_id or new_id(),
        task_name=str(headers["task"]),
        job_id=letter.job_id,
        queue=letter.queue,
        properties=properties,
        body=body,
    )


def living_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """The headers of a task that is sent for the first time: no deaths, no attempts spent, due now."""
    kept = {
        name: value
        for name, value in headers.items()
        if not name.startswith(_BROKER_HEADERS) and name not in _FIRST_LIFE
    }
    return kept | {"retries": 0, "eta": None, "expires": None}


def _edited(body: bytes) -> bytes:
    try:
        read_edited(body)
    except UnreadableBodyError as error:
        raise ReplayRefusedError(f"the new body is {error}") from error
    return body


def _call(body: bytes, properties: Mapping[str, Any]) -> Call | None:
    try:
        return read_call(
            body, content_type=properties.get("content_type"), content_encoding=properties.get("content_encoding")
        )
    except UnreadableBodyError:
        return None


def _in_chord(body: bytes, properties: Mapping[str, Any]) -> bool:
    call = _call(body, properties)
    return call is not None and call.in_chord


def _overreach(body: bytes, properties: Mapping[str, Any]) -> str | None:
    """What its sender may not ask for. It is checked here because a relay, which may, publishes the replay."""
    call = _call(body, properties)
    return overreach(properties.get("application_headers") or {}, call.embed if call else {}, properties)


def _check_publishable(body: bytes, properties: Mapping[str, Any]) -> None:
    """A message that cannot be written comes back as a dead letter; its operator had better know now."""
    try:
        wire.WritableMessage(body, **properties)
    except UnwritableMessageError as error:
        raise ReplayRefusedError(f"its properties cannot be sent: {error.detail}") from error
