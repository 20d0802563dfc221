"""`count_words`: works on an uploaded document. A task with an upload to copy (docs/patterns/uploads.md)."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app import contract
from app.kinds import Transaction, once
from app.patterns.uploads import UploadKey, lines


class Document(BaseModel):
    """A document, whose text was uploaded before."""

    model_config = ConfigDict(extra="forbid")

    document_id: UUID
    upload: UploadKey


_TABLE = """
    CREATE TABLE IF NOT EXISTS tasks.word_counts (
        document_id uuid NOT NULL, lines bigint NOT NULL, words bigint NOT NULL
    )
"""


@once(list_queue=contract.EVENT_LIST_QUEUE, key="document_id", http=True, schema=_TABLE)
def count_words(document: Document, tx: Transaction) -> None:
    """Count while the content arrives. Nothing is stored unless all of it was there and undamaged."""
    counted = {"lines": 0, "words": 0}
    for line in lines(document.upload):
        counted["lines"] += 1
        counted["words"] += len(line.split())
    tx.execute(
        "INSERT INTO tasks.word_counts VALUES (:document_id, :lines, :words)",
        {"document_id": document.document_id, **counted},
    )
