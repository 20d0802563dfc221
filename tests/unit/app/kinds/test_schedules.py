"""Schedules: slots through leap days, summer time and clocks that are set, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, strategies as st

from app.errors import DeclarationError, QueueNotDeclaredError
from app.kinds import Cron, Every
from app.kinds.schedules import Schedule, takes_slot

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _slots(schedule: Schedule, after: str, number: int) -> list[str]:
    return [slot.strftime("%Y-%m-%d %H:%M") for slot in islice(schedule.slots_after(at(after)), number)]


@pytest.mark.parametrize(
    ("schedule", "after", "slots"),
    [
        (Cron("0 12 29 2 *"), "2025-01-01", ["2028-02-29 12:00", "2032-02-29 12:00"]),
        (Cron("0 12 29 2 *"), "2096-03-01", ["2104-02-29 12:00"]),  # 2100 has none
        (Cron("0 0 31 * *"), "2026-01-31", ["2026-03-31 00:00", "2026-05-31 00:00"]),
        # 2026-03-29, 02:00 to 03:00 does not exist in Berlin: due at the change, 01:00 UTC, and once.
        (Cron("30 2 * * *", BERLIN), "2026-03-28 12:00", ["2026-03-29 01:00", "2026-03-30 00:30"]),
        (Cron("15,30 2 * * *", BERLIN), "2026-03-28 12:00", ["2026-03-29 01:00", "2026-03-30 00:15"]),
        # 2026-10-25, 02:00 to 03:00 comes twice: due the first time.
        (Cron("30 2 * * *", BERLIN), "2026-10-24 12:00", ["2026-10-25 00:30", "2026-10-26 01:30"]),
        # ... also for a beat that starts in the second of the two hours.
        (Cron("45 2 * * *", BERLIN), "2026-10-25 01:40", ["2026-10-26 01:45"]),
        # An hourly schedule goes on in real time, through both changes.
        (Cron("5 * * * *", BERLIN), "2026-03-29 00:00", ["2026-03-29 00:05", "2026-03-29 01:05", "2026-03-29 02:05"]),
        (Cron("5 * * * *", BERLIN), "2026-10-25 00:00", ["2026-10-25 00:05", "2026-10-25 01:05", "2026-10-25 02:05"]),
        (Every(3600), "2026-10-25 00:30", ["2026-10-25 01:00", "2026-10-25 02:00", "2026-10-25 03:00"]),
    ],
)  # fmt: skip
def test_slots(schedule: Schedule, after: str, slots: list[str]) -> None:
    """Each day that exists has its slot, once."""
    assert _slots(schedule, after, len(slots)) == slots


def test_a_slot_is_the_day_of_its_time_zone() -> None:
    """Midnight in Berlin is the day before in UTC."""
    schedule = Cron("0 0 * * *", BERLIN)
    [slot] = islice(schedule.slots_after(at("2026-07-01")), 1)
    assert slot.day == 1
    assert schedule.local(slot).isoformat() == "2026-07-02T00:00:00+02:00"


SCHEDULES = st.sampled_from(
    [Every(1), Every(7.3), Every(86_400), Cron("* * * * *", BERLIN), Cron("30 2 * * *", BERLIN), Cron("0 0 1 * *")]
)
MOMENTS = st.integers(0, 3 * 365 * 86_400).map(lambda seconds: at("2024-01-01") + timedelta(seconds=seconds))


@given(SCHEDULES, MOMENTS, st.lists(st.integers(0, 20), min_size=1, max_size=5))
def test_wherever_beat_stops_and_starts_no_slot_is_lost_or_doubled(
    schedule: Schedule, moment: datetime, steps: list[int]
) -> None:
    """Slots grow, and from any of them on they are the same."""
    whole = list(islice(schedule.slots_after(moment), sum(steps) + 1))
    assert whole == sorted(set(whole))
    assert whole[0] > moment
    in_parts: list[datetime] = []
    for step in steps:
        in_parts += islice(schedule.slots_after(in_parts[-1] if in_parts else moment), step)
    assert in_parts == whole[: len(in_parts)]


@given(SCHEDULES, MOMENTS, st.integers(-100_000, 300_000))
def test_what_is_due_is_what_lies_between(schedule: Schedule, after: datetime, seconds: int) -> None:
    """Each slot between is due or missed; where the clock was set back, nothing is due."""
    now = after + timedelta(seconds=seconds)
    due = schedule.due(after=after, now=now)
    late_seconds = schedule.default_late_seconds
    assert all(after < slot <= now for slot in due.slots)
    assert all((now - slot).total_seconds() < late_seconds for slot in due.slots)
    assert (due.missed == 0) or seconds > late_seconds
    if seconds < 3000:
        between = [slot for slot in islice(schedule.slots_after(after), 3001) if slot <= now]
        assert len(due.slots) + min(due.missed, 1000) == min(len(between), 1000 + len(due.slots))


def test_after_an_outage_cron_makes_up_for_a_day_and_every_goes_on() -> None:
    """Three days away: of each hour of the last day one, of the intervals the last."""
    after, now = at("2026-06-01 00:30"), at("2026-06-04 00:45")
    hourly = Cron("0 * * * *").due(after=after, now=now)
    assert (len(hourly.slots), hourly.missed) == (24, 48)
    assert Cron("0 * * * *", late_seconds=7200).due(after=after, now=now).slots == (
        at("2026-06-03 23:00"),
        at("2026-06-04 00:00"),
    )
    assert Every(600).due(after=after, now=now).slots == (at("2026-06-04 00:40"),)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Cron("0 3 * *"), "five fields"),
        (lambda: Cron("*/5 * * * * *"), "five fields"),
        (lambda: Cron("61 3 * * *"), "Bad minute"),
        (lambda: Cron("0 0 30 2 *"), "Bad day"),
        (lambda: Cron("0 0 */31 * MON#5"), "no such day"),
        (lambda: Cron(300), "Cron\\(300\\)"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Cron("0 3 * * *", "Europe/Bonn"), "no such time zone"),
        (lambda: Cron("0 3 * * *", "../etc/passwd"), "no such time zone"),
        (lambda: Every(0), "1 or more"),
        (lambda: Every(float("nan")), "1 or more"),
        (lambda: Every("60"), "1 or more"),  # type: ignore[arg-type]  # likewise
        (lambda: Every(60, late_seconds=0), "late_seconds=0"),
    ],
)
def test_what_cannot_work_is_refused(make: Any, words: str) -> None:
    """At the line that declares it."""
    with pytest.raises(DeclarationError, match=words):
        make()


def test_a_queue_that_is_not_declared_is_refused() -> None:
    """The message names those there are."""
    with pytest.raises(QueueNotDeclaredError, match=r"'slow'; declared are interactive"):
        Every(60, queues=("slow",))


def test_a_function_takes_its_slot_or_nothing() -> None:
    """Parameters with defaults are left alone; others nobody can fill."""
    assert not takes_slot(lambda: None)
    assert not takes_slot(lambda day=1: day)

    def report(slot: datetime) -> None:
        """Has a slot."""

    assert takes_slot(report)
    for function in (lambda user: user, lambda slot, user: (slot, user)):
        with pytest.raises(DeclarationError, match="no value for"):
            takes_slot(function)
