"""What the owner of a job is told of an item's result, from what the backend and our own tables say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, strategies as st
from kombu.utils.json import dumps

from app.gateway import item_results
from app.gateway.answers import ItemResult
from app.gateway.item_results import PAGE_MAX_BYTES, fitting, item_result

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
KEPT_SINCE = NOW - timedelta(days=1)
OLD = KEPT_SINCE - timedelta(seconds=1)
FAILURE = {
    "status": "FAILURE",
    "result": {"exc_type": "ValueError", "exc_message": ["no", 1], "exc_module": "builtins"},
}


def told(meta: Any = None, *, too_large: bool = False, **known: Any) -> dict[str, Any]:
    """An item, as its owner is told."""
    row = {"key": "k", "executed_at": None, "outcome": None, "reason": None, "exception_type": None, "message": None}
    text = None if meta is None else dumps(meta)
    return item_result(row | known, text, too_large=too_large, kept_since=KEPT_SINCE)


@pytest.mark.parametrize(
    ("meta", "known", "state"),
    [
        (None, {}, "pending"),
        ({"status": "RETRY", "result": None}, {}, "pending"),
        (None, {"executed_at": NOW}, "pending"),
        (None, {"executed_at": OLD}, "gone"),
        (FAILURE, {"executed_at": NOW}, "pending"),
        ({"status": "SUCCESS", "result": 1}, {"executed_at": OLD}, "succeeded"),
        ({"status": "SUCCESS", "result": 1}, {"reason": "failed"}, "succeeded"),
        (None, {"outcome": "revoked"}, "revoked"),
        ({"status": "REVOKED", "result": None}, {"outcome": "expired"}, "expired"),
        (None, {"reason": "expired"}, "expired"),
        (None, {"reason": "time_limit"}, "failed"),
        (FAILURE, {}, "failed"),
    ],
)
def test_how_an_item_ended(meta: Any, known: dict[str, Any], state: str) -> None:
    """A success of the backend decides; what ran is gone only after the time for which its result is kept."""
    item = ItemResult.model_validate_json(item_results.text(told(meta, **known)))
    assert (item.state, item.error is not None) == (state, state == "failed")


def test_why_it_failed() -> None:
    """The dead letter gives the error; until there is one, Celery's result does."""
    assert told(FAILURE)["error"] == {"reason": None, "exception_type": "ValueError", "message": "no 1"}
    letter: dict[str, Any] = {"reason": "time_limit", "exception_type": "TimeLimitExceeded", "message": "300"}
    assert told(FAILURE, **letter)["error"] == letter
    assert told({"status": "FAILURE", "result": "odd"})["error"]["exception_type"] is None


def test_a_value_is_plain_json() -> None:
    """A value that kombu has wrapped becomes text, one that only looks wrapped stays, and no value breaks the page."""
    value = {"at": NOW, "id": UUID(int=1), "sum": Decimal("1.10"), "own": {"__type__": "mine"}, "text": "\ud800"}
    text = item_results.text(told({"status": "SUCCESS", "result": value | {"none": float("nan")}}))

    assert json.loads(text)["value"] == {
        "at": NOW.isoformat(), "id": str(UUID(int=1)), "sum": "1.10", "own": {"__type__": "mine"}, "text": "\ud800",
        "none": None,
    }  # fmt: skip


@given(sizes=st.lists(st.integers(0, PAGE_MAX_BYTES + 1)))
def test_a_page_is_bounded_and_goes_on(sizes: list[int]) -> None:
    """A page fits its bound, holds as many results as fit, and holds at least one."""
    count = fitting(sizes)
    held = [size for size in sizes[:count] if size <= PAGE_MAX_BYTES]

    assert sum(held) <= PAGE_MAX_BYTES
    assert count > 0 or not sizes
    assert count == len(sizes) or sum(held) + sizes[count] > PAGE_MAX_BYTES
