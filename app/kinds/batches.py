"""Tasks that work on many items in one transaction: each item once, a bad one alone.

An item that its model refuses leaves as a message of its own, written in its neighbours' transaction. A batch whose
function failed, or that came back because its worker died, is halved through the outbox until the culprit is alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

import structlog
from celery.exceptions import TaskPredicate
from pydantic import BaseModel
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError, IntegrityError

from app import contract
from app.brokers.message_body import ITEM, ITEM_KEY
from app.brokers.transactional import in_transaction
from app.errors import BatchResultError, ComeBackLaterError, DependencyAwayError, JobRevokedError, PoisonError
from app.failpoints import Failpoint, failpoint
from app.kinds.declared import DeclaredTask, poison
from app.kinds.evidence import failure_of
from app.kinds.metrics import count_effects
from app.kinds.retries import retry_delay_seconds
from app.settings import load
from app.storage import failures, inbox
from app.storage.engine import engine
from app.storage.identifiers import new_id

log = structlog.get_logger(__name__)

#: Classes and codes of PostgreSQL that say nothing of an item: a connection, a deadlock, room, a lock; a right, a
#: table, a column or a schema that is missing. The batch comes again as it is.
_CLASSES = frozenset({"08", "40", "53", "55"})
_CODES = frozenset({"42501", "42P01", "42703", "3F000"})
#: The scope of what a batch remembers of itself. No API key has this id.
_BATCH = "(batch)"

Carried = dict[str, Any]


class _Item(NamedTuple):
    key: UUID
    item: BaseModel


class _Refused(NamedTuple):
    carried: Carried
    error: Exception


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
        return super().apply_async(args, kwargs, *positional, **options)

    def encoded(self, value: Any) -> Any:
        """A list of models as a message carries it; one without a key of its own gets one."""
        if not isinstance(value, list):
            return value
        [form] = self.declaration.forms.values()
        return [
            {ITEM_KEY: form.key_of(item) or str(new_id()), ITEM: form.to_wire(item)}
            if isinstance(item, form.model)
            else item
            for item in value
        ]

    def headers_of(self, args: Any, kwargs: Any) -> dict[str, str]:
        """Each item has its key beside it."""
        return {}

    def execute(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Run the batch, or send its halves.

        Raises:
            PoisonError: it is a single item that can never be executed.
        """
        [(parameter, batch)] = self.arguments(args, kwargs).items()
        if not isinstance(batch, list):
            raise PoisonError(f"{parameter}: expected a list of items")
        if self.redelivered and len(batch) > 1:
            self.patiently(lambda: self._split(batch, reason="redelivered"))
            return
        good, refused = self._read(batch)
        try:
            if len(batch) == 1 and refused:
                raise refused[0].error
            self.patiently(lambda: self._run(parameter, good, refused, alone=len(batch) == 1))
        except (TaskPredicate, JobRevokedError, ComeBackLaterError):
            raise
        except Exception as error:
            if len(batch) > 1 and not _spares_items(error):
                reason = type(error).__name__
                self.patiently(lambda: self._split(batch, reason=reason))
            elif isinstance(error, DataError | IntegrityError):
                raise poison(error) from None
            else:
                raise

    def _read(self, batch: list[Any]) -> tuple[list[_Item], list[_Refused]]:
        [form] = self.declaration.forms.values()
        good: dict[UUID, _Item] = {}
        refused: list[_Refused] = []
        for carried in batch:
            try:
                key = inbox.dedupe_key(self.name, self.scope, carried[ITEM_KEY])
                good.setdefault(key, _Item(key, form.from_wire(carried[ITEM])))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this item's and not its neighbours'
                refused.append(_Refused(carried, error if isinstance(error, PoisonError) else _no_item(error)))
        return list(good.values()), refused

    def _run(self, parameter: str, good: list[_Item], refused: list[_Refused], *, alone: bool) -> None:
        with engine().begin() as connection:
            own = [] if alone else [self._own_key]
            keys = [item.key for item in good]
            fresh = inbox.enter(connection, [*keys, *own], job_id=self.job_id, attempt=self.attempt)
            if not fresh.issuperset(own):
                return  # it was executed or split before: what it sent must not be sent again
            if items := [item.item for item in good if item.key in fresh]:
                with in_transaction(connection):
                    self.run(**{parameter: items}, **self.transaction(connection))
            failpoint(Failpoint.WORKER_MIDDLE_OF_BATCH)
            for carried, error in refused:
                self._send_alone(connection, carried, error)
        count_effects(stored=len(items), duplicate=len(good) - len(items))

    def _send_alone(self, connection: Connection, carried: Carried, error: Exception) -> None:
        """Give an item that failed among others its own message, at its second attempt."""
        delay_seconds = retry_delay_seconds(0, base_seconds=load().retry_base_seconds)
        with in_transaction(connection):
            result = self._send([carried], retries=1, countdown=delay_seconds)
        headers = {"id": result.id, "task": self.name, **self._own_headers(), "retries": 0}
        failure = failure_of(headers, error, reason="retried", worker=str(self.request.hostname or ""))
        if failure is not None:
            failures.record(connection, [failure])

    def _split(self, batch: list[Any], *, reason: str) -> None:
        """Send the halves instead, unless the batch was executed or split before."""
        with engine().begin() as connection:
            if not inbox.enter(connection, [self._own_key], job_id=self.job_id, attempt=self.attempt):
                return
            middle = (len(batch) + 1) // 2
            with in_transaction(connection):
                for half in (batch[:middle], batch[middle:]):
                    self._send(half)
        log.info("batch_split", items=len(batch), reason=reason)

    @property
    def _own_key(self) -> UUID:
        return inbox.dedupe_key(self.name, _BATCH, str(self.request.id))

    def _send(self, batch: list[Any], **options: Any) -> Any:
        # To the queue that this batch came from: what is slow among lists stays among lists.
        return self.app.send_task(
            self.name, args=[batch], queue=load().worker_queue, headers=self._own_headers(), **options
        )

    def _own_headers(self) -> dict[str, str]:
        names = (contract.MESSAGE_SCOPE, contract.MESSAGE_JOB_ID, contract.MESSAGE_FORM, "expires")
        return {name: str(value) for name in names if (value := getattr(self.request, name, None))}


def _no_item(error: Exception) -> PoisonError:
    return PoisonError(f"not an item, which is an object of {ITEM_KEY!r} and {ITEM!r} ({type(error).__name__})")


def _spares_items(error: Exception) -> bool:
    """Whether the error says nothing of any item, so that halves would fail the same way."""
    code = str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
    return isinstance(error, DependencyAwayError) or code[:2] in _CLASSES or code in _CODES
