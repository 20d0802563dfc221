"""Tasks that work on many items in one transaction: each item once, a bad one alone.

An item that its model refuses leaves as a message of its own, written in its neighbours' transaction. A batch whose
function failed, or that came back because its worker died, is halved through the outbox until the culprit is alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from celery.canvas import Signature
from celery.exceptions import TaskPredicate
from pydantic import BaseModel
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError, IntegrityError

from app import contract
from app.brokers.bundles import Carried, batch_of, carried_of
from app.brokers.message_body import ITEM, ITEM_KEY
from app.brokers.transactional import capturing, in_transaction
from app.errors import (
    BatchResultError,
    ComeBackLaterError,
    DependencyAwayError,
    JobRevokedError,
    PausedError,
    PoisonError,
)
from app.failpoints import Failpoint, failpoint
from app.kinds import claims
from app.kinds.declared import DeclaredTask, poison
from app.kinds.evidence import failure_of
from app.kinds.metrics import count_effects
from app.kinds.retries import retry_delay_seconds
from app.settings import load
from app.storage import dropped_items, failures, inbox
from app.storage.dropped_items import Outcome
from app.storage.engine import engine
from app.storage.identifiers import new_id, uuid_or_none

log = structlog.get_logger(__name__)

#: Classes and codes of PostgreSQL that say nothing of an item: a connection, a deadlock, room, a lock; a right, a
#: table, a column or a schema that is missing. The batch comes again as it is.
_CLASSES = frozenset({"08", "40", "53", "55"})
_CODES = frozenset({"42501", "42P01", "42703", "3F000"})
#: The scope of what a batch remembers of itself. No API key has this id.
_BATCH = "(batch)"


class _Item(NamedTuple):
    item: BaseModel
    job_id: UUID | None


class _Read(NamedTuple):
    """The items of a batch after validation."""

    good: dict[UUID, _Item]
    refused: list[tuple[Carried, Exception]]
    #: Items whose keys another job in this batch has, too. They are sent again, as each job may be revoked by itself.
    again: list[Carried]


class BatchTask(DeclaredTask):
    """Gets a list of items; a message holds one or many."""

    abstract = True

    def apply_async(self, args: Any = None, kwargs: Any = None, *positional: Any, **options: Any) -> Any:
        """Celery's.

        Raises:
            BatchResultError: something waits for the result.
        """
        if any(options.get(name) for name in ("link", "chain", "chord")):
            raise BatchResultError(f"({self.name})")
        arguments, named = self.encode(args, kwargs)  # the headers depend on what became a reference
        return super().apply_async(arguments, named, *positional, **options)

    def encoded(self, value: Any) -> Any:
        """A list of models as a message carries it; one without a key of its own gets one."""
        if not isinstance(value, list):
            return value
        [form] = self.declaration.forms.values()
        return [
            {ITEM_KEY: form.key_of(item) or str(new_id()), ITEM: claims.checked_in(form.to_wire(item))}
            if isinstance(item, form.model)
            else item
            for item in value
        ]

    def headers_of(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """No key, because each item has its own. In the outbox the number of items lets the relay join messages."""
        return claims.joining(args[0]) if capturing() and args and isinstance(args[0], list) else {}

    def is_halved(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        """Whether the batch holds more than one item."""
        return any(isinstance(batch, list) and len(batch) > 1 for batch in (*args, *kwargs.values()))

    def execute(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Run the batch, or send its halves.

        Raises:
            PoisonError: it is a single item that can never be executed.
        """
        [(parameter, batch)] = self.arguments(args, kwargs).items()
        if not isinstance(batch, list):
            raise PoisonError(f"{parameter}: expected a list of items")
        carried = carried_of(batch, vars(self.request))
        if self.redelivered and len(carried) > 1:
            self.patiently(lambda: self._split(carried, reason="redelivered"))
            return
        read = self._read(carried)
        try:
            if len(carried) == 1 and read.refused:
                raise read.refused[0][1]
            self.patiently(lambda: self._run(parameter, read, alone=len(carried) == 1))
        except (TaskPredicate, JobRevokedError, PausedError, ComeBackLaterError):
            raise
        except Exception as error:
            if len(carried) > 1 and not _spares_items(error):
                reason = type(error).__name__
                self.patiently(lambda: self._split(carried, reason=reason))
            elif isinstance(error, DataError | IntegrityError):
                raise poison(error) from None
            else:
                raise

    def _read(self, batch: list[Carried]) -> _Read:
        [form] = self.declaration.forms.values()
        read = _Read({}, [], [])
        for carried in batch:
            try:
                scope = str(carried.headers.get(contract.MESSAGE_SCOPE) or "")
                key = inbox.dedupe_key(self.name, scope, carried.item[ITEM_KEY])
                model = form.from_wire(self.redeemed(carried.item[ITEM]))
                item = _Item(model, uuid_or_none(carried.headers.get(contract.MESSAGE_JOB_ID)))
            except (TaskPredicate, DependencyAwayError):
                raise  # S3 is away, which is no item's fault
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this item's and not its neighbours'
                read.refused.append((carried, error if isinstance(error, PoisonError) else _no_item(error)))
                continue
            if read.good.setdefault(key, item).job_id != item.job_id:
                read.again.append(carried)
        return read

    def _run(self, parameter: str, read: _Read, *, alone: bool) -> None:
        with engine().begin() as connection:
            own = {} if alone else {self._own_key: self.job_id}
            items = {key: item.job_id for key, item in read.good.items()}
            entered = inbox.enter(connection, items | own, attempt=self.attempt)
            if entered.revoked and not entered.new:
                raise JobRevokedError(f"({self.job_id})")
            if not entered.new.issuperset(own):
                # It was executed or split before: what it sent must not be sent again. Its items' keys are not kept
                # either. A retry's copy that came between a split and its halves kept them, and the halves were lost.
                connection.rollback()
                return
            if fresh := [item for key, item in read.good.items() if key in entered.new]:
                with in_transaction(connection):
                    transaction = self.transaction(connection, [item.job_id for item in fresh])
                    self.run(**{parameter: [item.item for item in fresh]}, **transaction)
            failpoint(Failpoint.WORKER_MIDDLE_OF_BATCH)
            for carried, error in read.refused:
                self._send_alone(connection, carried, error)
            if read.again:
                with in_transaction(connection):
                    self._send(read.again)
            revoked = {(job_id, key) for key, job_id in items.items() if job_id and key in entered.revoked}
            if revoked:
                dropped_items.record_unexecuted(connection, revoked, Outcome.REVOKED)
        count_effects(stored=len(fresh), duplicate=len(items) - len(fresh) - len(revoked))

    def _send_alone(self, connection: Connection, carried: Carried, error: Exception) -> None:
        """Give an item that failed among others its own message, at its second attempt."""
        delay_seconds = retry_delay_seconds(0, base_seconds=load().retry_base_seconds)
        with in_transaction(connection):
            result = self._send([carried], retries=1, countdown=delay_seconds)
        headers = {"id": result.id, "task": self.name, **carried.headers, "retries": 0}
        failure = failure_of(headers, error, reason="retried", worker=str(self.request.hostname or ""))
        if failure is not None:
            failures.record(connection, [failure])

    def _split(self, batch: list[Carried], *, reason: str) -> None:
        """Send the halves instead, unless the batch was executed or split before."""
        with engine().begin() as connection:
            own = self._own_key
            entered = inbox.enter(connection, {own: self.job_id}, attempt=self.attempt)
            if entered.revoked:
                raise JobRevokedError(f"({self.job_id})")
            if not entered.new:
                return
            middle = (len(batch) + 1) // 2
            with in_transaction(connection):
                for half in (batch[:middle], batch[middle:]):
                    self._send(half)
        log.info("batch_split", items=len(batch), reason=reason)

    def send_held(self, again: Signature[Any]) -> None:
        """Take a bundle apart, because each of its messages waits, and may be revoked, by itself."""
        if getattr(self.request, contract.MESSAGE_BUNDLE, None) is None:
            super().send_held(again)
            return
        [batch] = self.arguments(tuple(self.request.args or ()), self.request.kwargs or {}).values()
        for _, carried in groupby(carried_of(batch, vars(self.request)), key=lambda one: one.headers):
            part = list(carried)
            more_headers = claims.joining([one.item for one in part])
            self._send(part, more_headers=more_headers, retries=self.request.retries)

    @property
    def _own_key(self) -> UUID:
        return inbox.dedupe_key(self.name, _BATCH, str(self.request.id))

    def _send(self, carried: list[Carried], *, more_headers: Mapping[str, Any] | None = None, **options: Any) -> Any:
        batch, headers = batch_of(carried)
        headers |= more_headers or {}
        for name in (contract.MESSAGE_FORM, "expires"):
            if (value := getattr(self.request, name, None)) is not None:
                headers[name] = str(value)
        # To the queue that this batch came from: what is slow among lists stays among lists.
        return self.app.send_task(self.name, args=[batch], queue=load().worker_queue, headers=headers, **options)


def _no_item(error: Exception) -> PoisonError:
    return PoisonError(f"not an item, which is an object of {ITEM_KEY!r} and {ITEM!r} ({type(error).__name__})")


def _spares_items(error: Exception) -> bool:
    """Whether the error says nothing of any item, so that halves would fail the same way."""
    code = str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
    return isinstance(error, DependencyAwayError) or code[:2] in _CLASSES or code in _CODES
