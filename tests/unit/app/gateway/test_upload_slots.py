"""How many uploads are under way at once, in all and of one API key."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from app.gateway.problems import ProblemError
from app.gateway.upload_slots import UploadSlots


def _status(slots: UploadSlots, api_key_id: str) -> int:
    try:
        with slots.one(api_key_id):
            return 201
    except ProblemError as refused:
        return refused.kind.status if "Retry-After" in refused.headers else 0


def test_one_key_leaves_slots_for_others() -> None:
    """Four slow uploads of one key kept everybody else from uploading."""
    slots = UploadSlots(at_once=4, of_one_key=2)
    with ExitStack() as under_way:
        for _ in range(2):
            under_way.enter_context(slots.one("slow"))
        assert _status(slots, "slow") == 429
        assert _status(slots, "other") == 201
        for _ in range(2):
            under_way.enter_context(slots.one("other"))
        assert _status(slots, "third") == 503
    assert [_status(slots, key) for key in ("slow", "other", "third")] == [201, 201, 201]


def test_an_upload_that_fails_gives_its_slot_back() -> None:
    """Or the key could never upload again."""
    slots = UploadSlots(at_once=1, of_one_key=1)
    with pytest.raises(OSError, match="disk"), slots.one("key"):
        raise OSError("disk")

    assert _status(slots, "key") == 201
