"""`meter_totals`: millions of readings, totalled once. A counted batch to copy (docs/patterns/counted-batches.md).

A producer opens a batch, adds readings in chunks, and seals it. Each request may be repeated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from app.kinds import Transaction
from app.patterns.counted_batches import counted_batch


class Reading(BaseModel):
    """A row: what a meter has counted since its last reading."""

    model_config = ConfigDict(extra="forbid", strict=True)

    meter: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    watt_hours: int = Field(ge=0, le=10**9)


class Totals(BaseModel):
    """The sums of one chunk, and of the whole batch: small, whatever the number of rows."""

    readings: int = 0
    watt_hours: int = 0


def total(readings: list[Reading], tx: Transaction) -> Totals:
    """Add up a chunk, and add it to its meters. What `tx` writes commits with the chunk's count."""
    meters: Counter[str] = Counter()
    for reading in readings:
        meters[reading.meter] += reading.watt_hours
    names = sorted(meters)  # two chunks that lock the same meters in different orders would deadlock
    tx.execute(_MOVE_METERS, {"meters": names, "watt_hours": [meters[name] for name in names]})
    return Totals(readings=len(readings), watt_hours=meters.total())


def combine(parts: Iterable[Totals], tx: Transaction) -> Totals:
    """Add up the parts one by one as they are read: a list of them would fill the memory."""
    whole = Totals()
    for part in parts:
        whole.readings += part.readings
        whole.watt_hours += part.watt_hours
    tx.execute("INSERT INTO tasks.meter_reports VALUES (:readings, :watt_hours)", whole.model_dump())
    return whole


_MOVE_METERS = """
    INSERT INTO tasks.meters AS m
    SELECT * FROM unnest(cast(:meters AS text[]), cast(:watt_hours AS bigint[]))
    ON CONFLICT (meter) DO UPDATE SET watt_hours = m.watt_hours + excluded.watt_hours
"""
_TABLES = """
    CREATE TABLE IF NOT EXISTS tasks.meters (meter text PRIMARY KEY, watt_hours bigint NOT NULL);
    CREATE TABLE IF NOT EXISTS tasks.meter_reports (readings bigint NOT NULL, watt_hours bigint NOT NULL);
"""

meter_totals = counted_batch("meter_totals", each_chunk=total, aggregate=combine, schema=_TABLES)
