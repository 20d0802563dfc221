"""Each promise of the mix fails by its own planted bugs only, and a promise that fails makes the verdict FAIL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.tasks import addresses, statements
from loadtests.mix import counted_batch, limited_calls, order, poison, unique_jobs, uploads
from loadtests.mix.mixed import Judged, Mixed
from loadtests.verdict import Check, Verdict, Weight, decide
from tests.unit.loadtests.judged_run import GOOD

_SENT = [f"a-{number}" for number in range(limited_calls.ADDRESSES)]
#: A hundred calls at once, and the others a minute later.
_ARRIVALS = [0.01 * number for number in range(100)] + [60.5 + 0.01 * number for number in range(10)]
_METERS = {"m-1": 30, "m-2": 12}
_LINES = {"a-1": ["m-1", "m-2", "m-3"], "a-2": ["m-4"]}
_CONTENTS = {"k-1": b"one", "k-2": b"two"}
_COUNTS = [("d-1", uploads.WORDS), ("d-2", uploads.WORDS)]
_POISONED, _NEIGHBOURS = ["p-1", "p-2"], ["n-1"]
_GOOD: dict[Any, dict[str, Any]] = {
    limited_calls: {"sent": _SENT, "stored": _SENT, "arrivals": _ARRIVALS},
    counted_batch: {
        "rows": 7, "sent": _METERS, "aggregate": {"readings": 7, "watt_hours": 42}, "meters": {**_METERS, "other": 1},
    },
    unique_jobs: {"cents": 420, "seconds": 20.0, "found": (unique_jobs.PAYMENTS, 420, 11)},
    order: {"sent": _LINES, "found": _LINES},
    uploads: {
        "contents": _CONTENTS, "stored": {"k-1": 1, "k-2": 0}, "read": _CONTENTS, "documents": ["d-1", "d-2"],
        "counted": _COUNTS, "message_bytes": [700, 900],
    },
    poison: {
        "poisoned": _POISONED, "neighbours": _NEIGHBOURS, "letters": dict.fromkeys(_POISONED, "failed"), "number": 2,
        "located": _NEIGHBOURS,
    },
}  # fmt: skip

#: The promise that turns red, what is wrong, the pattern, and what is found then.
_BUGS: tuple[tuple[str, str, Any, dict[str, Any]], ...] = (
    ("rate limit never exceeded", "each worker has a limit of its own", limited_calls, {
        "arrivals": [0.01 * number for number in range(limited_calls.ADDRESSES)]
    }),
    ("rate limit never exceeded", "one call came a second early", limited_calls, {
        "arrivals": [*_ARRIVALS[:100], 59.9]
    }),
    ("limited calls done", "a call was forgotten", limited_calls, {"stored": _SENT[1:]}),
    ("aggregate exact", "a chunk was added up twice", counted_batch, {"aggregate": {"readings": 8, "watt_hours": 50}}),
    ("aggregate exact", "it was never made", counted_batch, {"aggregate": None}),
    ("each chunk once", "a chunk took effect twice", counted_batch, {"meters": {**_METERS, "m-1": 60}}),
    ("each chunk once", "a chunk took no effect", counted_batch, {"meters": {"m-1": 30}}),
    ("no request missed", "the last payments came after the last refresh", unique_jobs, {"found": (59, 410, 11)}),
    ("no request missed", "a payment was booked twice", unique_jobs, {"found": (61, 430, 11)}),
    ("one job a window", "each payment had its own refresh", unique_jobs, {"found": (60, 420, 60), "seconds": 500.0}),
    ("one job a window", "two jobs ran in a window", unique_jobs, {"found": (60, 420, 12)}),
    ("order kept", "two changed places", order, {"found": {**_LINES, "a-1": ["m-2", "m-1", "m-3"]}}),
    ("order kept", "the last came first", order, {"found": {**_LINES, "a-1": ["m-3", "m-1", "m-2"]}}),
    ("each movement once", "one took effect twice", order, {"found": {**_LINES, "a-1": ["m-1", "m-2", "m-3", "m-2"]}}),
    ("each movement once", "one took no effect", order, {"found": {**_LINES, "a-1": ["m-1", "m-3"]}}),
    ("each movement once", "an account has none", order, {"found": {"a-1": _LINES["a-1"]}}),
    ("uploads stored once", "each upload stored it", uploads, {"stored": {"k-1": 3, "k-2": 1}}),
    ("uploads read back", "a content is missing", uploads, {"read": {"k-1": b"one", "k-2": None}}),
    ("uploads read back", "a byte is another one", uploads, {"read": {"k-1": b"one", "k-2": b"twp"}}),
    ("long items by reference", "an item was its own message", uploads, {"message_bytes": [700, 200_200]}),
    ("long items by reference", "no message is known", uploads, {"message_bytes": []}),
    ("long items executed once", "one was counted twice", uploads, {"counted": [*_COUNTS, _COUNTS[0]]}),
    ("long items executed once", "one was not counted", uploads, {"counted": _COUNTS[:1]}),
    ("long items executed once", "half of its words", uploads, {"counted": [_COUNTS[0], ("d-2", uploads.WORDS // 2)]}),
    ("poison only in the dead letters", "poison was dropped", poison, {"letters": {"p-1": "failed"}, "number": 1}),
    ("poison only in the dead letters", "a good one is there too", poison, {
        "letters": dict.fromkeys([*_POISONED, "n-1"], "failed"), "number": 3
    }),
    ("poison only in the dead letters", "one is there twice", poison, {"number": 3}),
    ("poison only in the dead letters", "it took effect", poison, {"located": [*_NEIGHBOURS, "p-1"]}),
    ("poison's neighbours done", "they were held up", poison, {"located": []}),
)  # fmt: skip


def _red(judged: list[Judged]) -> list[str]:
    return [one.promise for one in judged if not one.ok]


@pytest.mark.parametrize("pattern", _GOOD, ids=lambda pattern: pattern.NAME)
def test_what_is_right_is_green(pattern: Any) -> None:
    """Without a bug no promise fails."""
    assert _red(pattern.judged(**_GOOD[pattern])) == []


@pytest.mark.parametrize(("promise", "what", "pattern", "found"), _BUGS, ids=lambda part: str(part)[:40])
def test_a_planted_bug_turns_its_promise_red(promise: str, what: str, pattern: Any, found: dict[str, Any]) -> None:
    """The promise of that bug fails, and no other."""
    assert _red(pattern.judged(**{**_GOOD[pattern], **found})) == [promise], what


def _checks(**mixed: Any) -> list[Check]:
    return GOOD.went(mixed=Mixed(**mixed)).checks


def test_a_broken_promise_is_a_fail() -> None:
    """A pattern that breaks its promise fails the run; the same run with a kept one passes."""
    kept = Judged(pattern="a", promise="exact", expected="42", found="42", ok=True)
    assert decide(_checks(judged=[kept])) is Verdict.PASS
    checks = _checks(judged=[kept, replace(kept, found="41", ok=False)])
    assert decide(checks) is Verdict.FAIL
    assert [check.detail for check in checks if not check.ok] == ["41 (expected: 42)"]


def test_a_pattern_that_was_not_sent_proves_nothing() -> None:
    """The verdict is VOID and says why."""
    checks = _checks(unsent=[("poison", "503")])
    assert decide(checks) is Verdict.VOID
    assert [(check.name, check.weight) for check in checks if not check.ok] == [("poison was sent", Weight.VOID)]


def test_the_fullest_period() -> None:
    """A period includes its beginning, and excludes its end."""
    assert limited_calls.fullest([], 60) == 0
    assert limited_calls.fullest([0, 59.9, 60, 61], 60) == 3
    assert limited_calls.fullest([0, 60, 120], 60) == 1


def test_the_limit_and_the_window_are_the_declared_ones() -> None:
    """The load harness knows only the contract, so it repeats these numbers; they must agree."""
    assert (addresses.GEOCODER.calls, addresses.GEOCODER.seconds) == (limited_calls.CALLS, limited_calls.PERIOD_SECONDS)
    assert statements.refresh_statement.window_seconds == unique_jobs.WINDOW_SECONDS
