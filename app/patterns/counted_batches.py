"""Batches of millions of rows, counted in PostgreSQL: the chunk that completes the count triggers the aggregate.

Rows arrive in chunks over HTTP (`app/gateway/counted_batches.py`) or by an upload, and stay in PostgreSQL; a message
holds a batch's id and a chunk's number. So the broker holds no rows, and Redis is not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError

from app import contract
from app.errors import DeclarationError, PoisonError
from app.kinds import Transaction, once
from app.kinds.declared import DeclaredTask
from app.kinds.items import ItemForm
from app.patterns import batch_uploads
from app.storage import counted_batches as storage

_DECLARED: dict[str, CountedBatch] = {}
#: Of the key of an upload. The number of a chunk is shorter.
_HASH_CHARACTERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedBatch:
    """A declared kind of batch, and the tasks that work on it."""

    name: str
    form: ItemForm
    queue: str
    chunk_task: DeclaredTask
    aggregate_task: DeclaredTask
    upload_task: DeclaredTask
    where: str

    def headers(self, batch_id: UUID, part: int | str = "") -> dict[str, str]:
        """The headers of a part's message, or of the aggregate's. Dead letters name the batch's id as their job."""
        key = f"{batch_id}/{part}" if part != "" else str(batch_id)
        return {contract.MESSAGE_JOB_ID: str(batch_id), contract.MESSAGE_KEY: key}

    def send_chunk(self, batch_id: UUID, number: int) -> None:
        """Send a chunk's message; inside a transaction it leaves with the commit."""
        self.chunk_task.apply_async([str(batch_id), number], headers=self.headers(batch_id, number))

    def send_aggregate(self, batch_id: UUID) -> None:
        """Send the message that aggregates the batch; a second one does nothing."""
        self.aggregate_task.apply_async([str(batch_id)], headers=self.headers(batch_id))

    def send_upload(self, batch_id: UUID, upload_key: str) -> None:
        """Send the message that adds the rows of an upload; a second one does nothing."""
        self.upload_task.apply_async([str(batch_id), upload_key], headers=self.headers(batch_id, upload_key))

    def send_again(self, batch_id: UUID, key: str) -> None:
        """Send the message that has this key in its headers."""
        part = key.partition("/")[2]
        if not part:
            self.send_aggregate(batch_id)
        elif part.isdecimal() and len(part) < _HASH_CHARACTERS:
            self.send_chunk(batch_id, int(part))
        else:
            self.send_upload(batch_id, part)


def counted_batch(
    name: str,
    *,
    each_chunk: Callable[[list[Any], Transaction], BaseModel],
    aggregate: Callable[[Iterable[Any], Transaction], BaseModel],
    queue: str = contract.EVENT_LIST_QUEUE,
    **options: Any,
) -> CountedBatch:
    """Declare a batch: `each_chunk(rows: list[Row], tx) -> Part`, `aggregate(parts: Iterable[Part], tx) -> Whole`.

    `each_chunk` is executed once for each chunk. `aggregate` is executed once, when all chunks of a sealed batch are
    done. Row, Part and Whole are pydantic models. Options are those of `once`.

    Raises:
        DeclarationError: the batch cannot work as declared; the message says why.
    """
    where = f"{each_chunk.__module__}:{each_chunk.__name__}"
    if (other := _DECLARED.get(name)) is not None and other.where != where:
        raise DeclarationError(f"({where}: {other.where} has declared a batch {name!r} already)")
    row, part = _models(each_chunk, where)
    rows = TypeAdapter(list[row])  # type: ignore[valid-type]  # mypy cannot know `row`

    def execute_chunk(batch_id: str, number: int, tx: Transaction) -> None:
        body = storage.take(tx.connection, UUID(batch_id), number)
        if body is None:
            return
        try:
            read = rows.validate_json(body)
        except ValidationError as error:
            raise PoisonError(f"chunk {number} of {batch_id}: {error.error_count()} values are not of {row}") from None
        result = each_chunk(read, tx)
        if storage.finish(tx.connection, UUID(batch_id), number, result.model_dump_json()):
            made.send_aggregate(UUID(batch_id))

    def execute_aggregate(batch_id: str, tx: Transaction) -> None:
        parts = (part.model_validate_json(text) for text in storage.parts(tx.connection, UUID(batch_id)))
        storage.keep_aggregate(tx.connection, UUID(batch_id), aggregate(parts, tx).model_dump_json())

    def execute_upload(batch_id: str, upload_key: str, tx: Transaction) -> None:
        batch_uploads.add_upload(tx.connection, UUID(batch_id), upload_key, made.form, made.send_chunk)

    made = CountedBatch(
        name=name,
        form=ItemForm(row),
        queue=queue,
        chunk_task=_task(execute_chunk, f"{name}_chunk", each_chunk, queue=queue, **options),
        aggregate_task=_task(execute_aggregate, f"{name}_aggregate", aggregate, queue=queue, **options),
        upload_task=_task(execute_upload, f"{name}_upload", each_chunk, queue=queue, **options),
        where=where,
    )
    if made.form.texts:
        raise DeclarationError(f"({where}: {row.__name__} has a JSON text; rows are plain models)")
    _DECLARED[name] = made
    return made


def declared() -> Mapping[str, CountedBatch]:
    """The batches that the imported modules declare, by name."""
    return _DECLARED


def _task(function: Callable[..., None], name: str, users: Callable[..., Any], **options: Any) -> DeclaredTask:
    """Declare a task under the names of the user's function, because errors name that function."""
    function.__module__, function.__name__, function.__doc__ = users.__module__, users.__name__, users.__doc__
    return once(name=name, **options)(function)


def _models(each_chunk: Callable[..., Any], where: str) -> tuple[type[BaseModel], type[BaseModel]]:
    hints = get_type_hints(each_chunk)
    part = hints.pop("return", None)
    listed = [get_args(hint)[0] for hint in hints.values() if get_origin(hint) is list and get_args(hint)]
    if len(listed) != 1 or not _is_model(listed[0]) or not _is_model(part):
        raise DeclarationError(f"({where}: takes a list of a pydantic model, and returns a pydantic model)")
    return listed[0], part


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseModel)
