"""The next release: `shipped` cannot do without a country, `retired` is gone, `added` is new."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from app.kinds import Transaction, once, once_in_batches


class Parcel(BaseModel):
    """An item with a member that the release before refuses, and that its items lack."""

    model_config = ConfigDict(extra="forbid")

    parcel_id: str
    country: str


@once_in_batches(queue="bulk", key="parcel_id", http=True)
def shipped(parcels: list[Parcel], tx: Transaction) -> None:
    """Note that each is shipped."""
    rows = [{"parcel_id": parcel.parcel_id} for parcel in parcels]
    tx.execute("INSERT INTO tasks.parcels VALUES (:parcel_id, 'new')", rows)


@once(queue="bulk", http=True)
def added(parcel: Parcel, tx: Transaction) -> None:
    """The release before has no such task."""
    tx.execute("INSERT INTO tasks.parcels VALUES (:parcel_id, 'new')", {"parcel_id": parcel.parcel_id})
