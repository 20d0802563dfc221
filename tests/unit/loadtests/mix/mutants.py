"""Planted bugs of the patterns: the promise that turns red, what is wrong, the pattern, and what is found then."""

from __future__ import annotations

from typing import Any

from loadtests.mix import counted_batch, limited_calls, order, poison, schedules, unique_jobs, uploads
from tests.unit.loadtests.mix.good_patterns import ARRIVALS, COUNTS, LINES, METERS, NEIGHBOURS, POISONED, SENT

BUGS: tuple[tuple[str, str, Any, dict[str, Any]], ...] = (
    ("rate limit never exceeded", "each worker has a limit of its own", limited_calls, {
        "arrivals": [0.01 * number for number in range(limited_calls.ADDRESSES)]
    }),
    ("rate limit never exceeded", "one call came a second early", limited_calls, {
        "arrivals": [*ARRIVALS[:100], 59.9]
    }),
    ("limited calls done", "a call was forgotten", limited_calls, {"stored": SENT[1:]}),
    ("aggregate exact", "a chunk was added up twice", counted_batch, {"aggregate": {"readings": 8, "watt_hours": 50}}),
    ("aggregate exact", "it was never made", counted_batch, {"aggregate": None}),
    ("each chunk once", "a chunk took effect twice", counted_batch, {"meters": {**METERS, "m-1": 60}}),
    ("each chunk once", "a chunk took no effect", counted_batch, {"meters": {"m-1": 30}}),
    ("no request missed", "the last payments came after the last refresh", unique_jobs, {"found": (59, 410, 11)}),
    ("no request missed", "a payment was booked twice", unique_jobs, {"found": (61, 430, 11)}),
    ("one job a window", "each payment had its own refresh", unique_jobs, {"found": (60, 420, 60), "seconds": 500.0}),
    ("one job a window", "two jobs ran in a window", unique_jobs, {"found": (60, 420, 12)}),
    ("order kept", "two changed places", order, {"found": {**LINES, "a-1": ["m-2", "m-1", "m-3"]}}),
    ("order kept", "the last came first", order, {"found": {**LINES, "a-1": ["m-3", "m-1", "m-2"]}}),
    ("each movement once", "one took effect twice", order, {"found": {**LINES, "a-1": ["m-1", "m-2", "m-3", "m-2"]}}),
    ("each movement once", "one took no effect", order, {"found": {**LINES, "a-1": ["m-1", "m-3"]}}),
    ("each movement once", "an account has none", order, {"found": {"a-1": LINES["a-1"]}}),
    ("uploads stored once", "each upload stored it", uploads, {"stored": {"k-1": 3, "k-2": 1}}),
    ("uploads read back", "a content is missing", uploads, {"read": {"k-1": b"one", "k-2": None}}),
    ("uploads read back", "a byte is another one", uploads, {"read": {"k-1": b"one", "k-2": b"twp"}}),
    ("long items by reference", "an item was its own message", uploads, {"message_bytes": [700, 200_200]}),
    ("long items by reference", "no message is known", uploads, {"message_bytes": []}),
    ("long items executed once", "one was counted twice", uploads, {"counted": [*COUNTS, COUNTS[0]]}),
    ("long items executed once", "one was not counted", uploads, {"counted": COUNTS[:1]}),
    ("long items executed once", "half of its words", uploads, {"counted": [COUNTS[0], ("d-2", uploads.WORDS // 2)]}),
    ("poison only in the dead letters", "poison was dropped", poison, {"letters": {"p-1": "failed"}, "number": 1}),
    ("poison only in the dead letters", "a good one is there too", poison, {
        "letters": dict.fromkeys([*POISONED, "n-1"], "failed"), "number": 3
    }),
    ("poison only in the dead letters", "one is there twice", poison, {"number": 3}),
    ("poison only in the dead letters", "it took effect", poison, {"located": [*NEIGHBOURS, "p-1"]}),
    ("poison's neighbours done", "they were held up", poison, {"located": []}),
    ("poison only in the dead letters", "a reason is missing", poison, {"letters": {"p-1": "failed", "p-2": ""}}),
    ("each slot once", "two beats sent a slot", schedules, {"sent": {"bulk": (7, 6)}}),
    ("each slot once", "beat sent nothing", schedules, {"sent": {}}),
)  # fmt: skip
