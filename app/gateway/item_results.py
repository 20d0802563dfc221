"""Derives what an item returned from the result backend and our own tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

from celery import states
from kombu.utils.json import object_hook

#: Bytes of the results on a page. A longer result fits on no page: its item is `too_large`.
PAGE_MAX_BYTES = 1024 * 1024

#: An item: its key, when it was executed, how it was dropped, and its error, from its dead letter.
Row = Mapping[str, Any]


def fitting(sizes: Sequence[int]) -> int:
    """How many results are on a page: all before the first that does not fit."""
    together = accumulate(size if size <= PAGE_MAX_BYTES else 0 for size in sizes)
    return sum(total <= PAGE_MAX_BYTES for total in together)


def item_result(row: Row, meta: str | bytes | None, *, too_large: bool, kept_since: datetime) -> dict[str, Any]:
    """The item as its owner is told. If the backend has a success, that counts; otherwise our own tables decide."""
    kept = {} if meta is None else json.loads(meta, object_hook=_unwrapped, parse_constant=lambda _: None)
    state, value, error = "pending", None, None
    if too_large:
        state = "too_large"
    elif kept.get("status") == states.SUCCESS:
        state, value = "succeeded", kept["result"]
    elif row["executed_at"] is not None:
        state = "gone" if row["executed_at"] < kept_since else "pending"
    elif row["outcome"] is not None or row["reason"] == "expired":
        state = row["outcome"] or "expired"
    elif row["reason"] is not None:
        state, error = "failed", {name: row[name] for name in ("reason", "exception_type", "message")}
    elif kept.get("status") == states.FAILURE:
        state, error = "failed", _error(kept["result"])
    return {"key": row["key"], "state": state, "value": value, "error": error}


def text(body: Mapping[str, Any]) -> str:
    """JSON; values that JSON lacks, such as a time, become text."""
    return json.dumps(body, default=lambda value: value.isoformat() if hasattr(value, "isoformat") else str(value))


def _unwrapped(value: dict[str, Any]) -> Any:
    """Unwrap a value that kombu has wrapped, such as a time; an object that only looks wrapped stays as it is."""
    try:
        return object_hook(value)
    except Exception:  # noqa: BLE001 - its decoders raise anything
        return value


def _error(raised: Any) -> dict[str, Any]:
    """The error as Celery wrote it, for an item whose dead letter has not arrived yet."""
    given = raised if isinstance(raised, dict) else {}
    words = given.get("exc_message")
    message = " ".join(map(str, words)) if isinstance(words, list) else words
    return {"reason": None, "exception_type": given.get("exc_type"), "message": message}
