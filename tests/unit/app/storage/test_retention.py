"""Which partitions are made and which are dropped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from app.storage.identifiers import created_at, first_id_at, new_id
from app.storage.partitions import PartitionedTable, expired, statements

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_only_whole_days_past_their_time_are_dropped() -> None:
    """The default partition and the day on the edge stay."""
    partitions = ["jobs_default", "jobs_20261120", "jobs_20261121", "jobs_20261119", "jobs_20261122"]

    assert expired("jobs", partitions, now=NOON, keep_days=2) == ["jobs_20261119"]


def test_a_table_partitioned_by_id_has_the_days_first_ids_as_bounds() -> None:
    """So a row is found by its id alone, and its day is dropped with it."""
    day = NOON.replace(hour=0)

    statement = " ".join(statements(PartitionedTable(name="jobs", key="job_id"), day))

    assert str(first_id_at(day)) in statement
    assert str(first_id_at(day + timedelta(days=1))) in statement
    assert "jobs_20261122" in statement


@given(st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - given UTC
def test_the_first_id_of_a_moment_carries_that_moment(moment: datetime) -> None:
    """To the millisecond, which is what a UUIDv7 knows."""
    assert abs(created_at(first_id_at(moment)) - moment) <= timedelta(milliseconds=1)


def test_new_ids_sort_by_time() -> None:
    """Later is greater, so an index grows at its end."""
    ids = [new_id() for _ in range(100)]

    assert ids == sorted(ids)
    assert first_id_at(datetime.now(UTC) - timedelta(seconds=5)) < ids[0]
