"""A release of somebody's tasks: `shipped` knows no country, `retired` is there, `added` is not yet."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from app.kinds import Transaction, once, once_in_batches


class Parcel(BaseModel):
    """An item that takes no members that it does not know."""

    model_config = ConfigDict(extra="forbid")

    parcel_id: str


@once_in_batches(
    queue="bulk",
    key="parcel_id",
    http=True,
    schema="CREATE TABLE IF NOT EXISTS tasks.parcels (parcel_id text NOT NULL, done_by text NOT NULL)",
)
def shipped(parcels: list[Parcel], tx: Transaction) -> None:
    """Note that each is shipped."""
    rows = [{"parcel_id": parcel.parcel_id} for parcel in parcels]
    tx.execute("INSERT INTO tasks.parcels VALUES (:parcel_id, 'old')", rows)


@once(queue="bulk", http=True)
def retired(parcel: Parcel, tx: Transaction) -> None:
    """The next release has no such task."""
    tx.execute("INSERT INTO tasks.parcels VALUES (:parcel_id, 'old')", {"parcel_id": parcel.parcel_id})
