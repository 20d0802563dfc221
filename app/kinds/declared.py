"""The kinds of single tasks: at least once, and once. A message of theirs is one call of the function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any, ClassVar
from uuid import UUID

from celery.app.task import get_actual_ignore_result  # type: ignore[attr-defined]  # not in the stubs
from celery.canvas import Signature
from kombu.utils.json import dumps, loads
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError, DBAPIError

from app import contract
from app.brokers.transactional import in_transaction
from app.errors import JobRevokedError, PoisonError
from app.kinds import claims
from app.kinds.base import MillraceTask
from app.kinds.items import ItemForm
from app.kinds.metrics import count_effects
from app.kinds.transaction import Transaction
from app.storage import inbox, ordered_items
from app.storage.availability import is_away
from app.storage.engine import autocommit, engine
from app.storage.identifiers import uuid_or_none


class Kind(StrEnum):
    """The promise that Millrace keeps for a task."""

    AT_LEAST_ONCE = "at least once"
    ONCE = "once"
    ONCE_IN_BATCHES = "once, in batches"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What a module says of a task."""

    kind: Kind
    #: The function's parameters without the transaction.
    signature: inspect.Signature
    #: The name of the parameter that gets the transaction.
    transaction: str | None
    #: The parameters that are items, by name.
    forms: Mapping[str, ItemForm]
    queue: str
    #: Where the gateway sends lists; they must not make single items wait.
    list_queue: str
    #: Where the gateway serves the task; nothing: nowhere.
    paths: tuple[str, ...] = ()
    #: Where the task's results are kept: redis or postgresql; None: nowhere.
    result: str | None = None
    #: Of a task in order: whether the items behind a dead one go on.
    goes_on: bool = False
    #: Statements that make what the task needs in PostgreSQL.
    schema: str = ""
    #: Where it stands, for messages.
    where: str = field(default="", compare=False)

    @property
    def form(self) -> ItemForm:
        """The form of the items that the gateway takes: there is exactly one if it serves the task."""
        [form] = self.forms.values()
        return form


class DeclaredTask(MillraceTask):
    """A task of one of the kinds."""

    abstract = True
    declaration: ClassVar[Declaration]

    @cached_property
    def form_id(self) -> str:
        """A hash of the models' JSON schemas."""
        schemas = {
            name: form.model.model_json_schema(schema_generator=_AnyModel)
            for name, form in self.declaration.forms.items()
        }
        return sha256(dumps(schemas, sort_keys=True).encode()).hexdigest()[:16]

    def apply_async(self, args: Any = None, kwargs: Any = None, *positional: Any, **options: Any) -> Any:
        """Celery's; items may be given as models, and a model's key is the message's."""
        if headers := self.headers_of(args, kwargs):
            options["headers"] = headers | (options.get("headers") or {})
        arguments, named = self.encode(args, kwargs)
        return super().apply_async(arguments, named, *positional, **options)

    def signature(self, args: Any = None, kwargs: Any = None, *positional: Any, **options: Any) -> Signature[Any]:
        """Celery's; items may be given as models. Of a partial signature (`s()` in a chain) the rest comes later."""
        arguments, named = self.encode(args, kwargs)
        return super().signature(arguments, named, *positional, **options)

    def signature_from_request(self, *positional: Any, **options: Any) -> Signature[Any]:
        """Celery's, for copies. A message without a key gets a copy without one; with one the inbox would run both."""
        again = super().signature_from_request(*positional, **options)
        if any(form.key for form in self.declaration.forms.values()):
            again.options["headers"] = {contract.MESSAGE_KEY: None} | again.options["headers"]
        return again

    def headers_of(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """The header with the key of the one item, if the task names a key."""
        found = self.item_of(args, kwargs, lambda form: form.key)
        key = None if found is None else found[0].key_of(found[1])
        return {} if key is None else {contract.MESSAGE_KEY: key}

    def item_of(
        self, args: Any, kwargs: Any, named: Callable[[ItemForm], str | None]
    ) -> tuple[ItemForm, BaseModel] | None:
        """The one item whose form names a certain member; None if there is none, or if its model refuses it."""
        given = {self._names.get(index, ""): value for index, value in enumerate(args or ())} | (kwargs or {})
        found = [(form, given[name]) for name, form in self.declaration.forms.items() if named(form) and name in given]
        if len(found) != 1:
            return None
        [(form, value)] = found
        try:
            return form, value if isinstance(value, BaseModel) else form.from_wire(value)
        except PoisonError:
            return None  # the worker refuses the item, and says why

    def encoded(self, value: Any) -> Any:
        """A value as the message carries it. By its type: in a chain a result may come before it."""
        forms = (form for form in self.declaration.forms.values() if isinstance(value, form.model))
        form = next(forms, None)
        return value if form is None else claims.checked_in(form.to_wire(value))

    def arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The function's arguments by name, less the transaction, items still as they were carried.

        Raises:
            TypeError: they do not fit the function.
        """
        bound = self.declaration.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    def transaction(self, connection: Connection, job_ids: Sequence[UUID | None]) -> dict[str, Transaction]:
        """The argument that the function has for its transaction."""
        made = Transaction(connection, task_id=self.task_id, job_ids=job_ids)
        return {str(self.declaration.transaction): made}

    def decoded(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments with items as their models.

        Raises:
            PoisonError: a model does not take one.
        """
        forms = self.declaration.forms
        return {
            name: forms[name].from_wire(self.redeemed(value)) if name in forms else value
            for name, value in arguments.items()
        }

    def redeemed(self, carried: Any) -> Any:
        """An item as its sender sent it, read from S3 if its message only refers to it; waits while S3 is away.

        Raises:
            PoisonError: S3 does not have it.
        """
        return carried if claims.bytes_of(carried) is None else self.patiently(lambda: claims.redeemed(carried))

    def encode(self, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments as a message carries them: models as items."""
        return tuple(map(self.encoded, args or ())), {name: self.encoded(it) for name, it in (kwargs or {}).items()}

    @cached_property
    def _names(self) -> Mapping[int, str]:
        return dict(enumerate(self.declaration.signature.parameters))


class AtLeastOnceTask(DeclaredTask):
    """An ordinary Celery task. Of one that came through the gateway the inbox says that it ran, for the job's state."""

    abstract = True

    def execute(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run, then remember. Nothing runs if the job was revoked; while PostgreSQL is away this is not checked."""
        arguments = self.decoded(self.arguments(args, kwargs))
        if self.job_id is not None and not self.ran and self._is_revoked(self.job_id):
            raise JobRevokedError(f"({self.job_id})")
        result = self.patiently(lambda: self.run(**arguments))
        self.request.update({contract.MESSAGE_RAN: True})
        if self.job_id is not None:
            self.patiently(self._remember)
        return result

    def _is_revoked(self, job_id: UUID) -> bool:
        try:
            with autocommit().connect() as connection:
                return bool(inbox.revoked_jobs(connection, [job_id]))
        except Exception as error:
            if not is_away(error):
                raise
            return False  # this kind promises to run without PostgreSQL

    def _remember(self) -> None:
        with autocommit().connect() as connection:
            inbox.remember(connection, {self.dedupe_key: self.job_id}, attempt=self.attempt)


class OnceTask(DeclaredTask):
    """Its effect in PostgreSQL, its inbox row and what it sends commit together."""

    abstract = True

    def execute(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run in a transaction, unless its key is in the inbox already."""
        arguments = self.decoded(self.arguments(args, kwargs))
        return self.patiently(lambda: self._once(arguments))

    def _once(self, arguments: Mapping[str, Any]) -> Any:
        try:
            return self._in_transaction(arguments)
        except DataError as error:
            raise poison(error) from None

    def _in_transaction(self, arguments: Mapping[str, Any]) -> Any:
        key = self.dedupe_key
        with engine().begin() as connection:
            entered = inbox.enter(connection, {key: self.job_id}, attempt=self.attempt)
            if entered.revoked:
                raise JobRevokedError(f"({self.job_id})")
            with ordered_items.turn(connection, vars(self.request)):
                if not entered.new:
                    count_effects(stored=0, duplicate=1)
                    kept = inbox.result_of(connection, key)
                    return None if kept is None else loads(kept)
                with in_transaction(connection, line=self._line):
                    result = self.run(**arguments, **self.transaction(connection, [self.job_id]))
                if self._result_goes_on:
                    inbox.keep_result(connection, key, dumps(result))
        count_effects(stored=1, duplicate=0)
        return result

    @property
    def _line(self) -> UUID | None:
        return uuid_or_none(getattr(self.request, contract.MESSAGE_ORDER, None))

    @property
    def _result_goes_on(self) -> bool:
        """Whether somebody reads the result, so that a second delivery must return the same."""
        request = self.request
        kept = not get_actual_ignore_result(self, request)
        return bool(request.callbacks or request.chain or request.chord or kept)


class _AnyModel(GenerateJsonSchema):
    """Describes a member whose validator says nothing of its type as one that takes anything."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        """Pydantic would raise."""
        return {}


def poison(error: DBAPIError) -> PoisonError:
    """What PostgreSQL can never store. Its own message quotes the payload: only the first line goes on."""
    return PoisonError(str(error.orig).splitlines()[0])
