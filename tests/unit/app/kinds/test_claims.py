"""A reference is known by its form, and nothing else is taken for one."""

from __future__ import annotations

import json
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from app import contract
from app.kinds import claims
from app.settings import load
from app.storage import object_uses, objects


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """S3 in memory."""
    kept: dict[str, bytes] = {}
    monkeypatch.setattr(objects, "configured", lambda: True)
    monkeypatch.setattr(objects, "put", kept.__setitem__)
    monkeypatch.setattr(objects, "read", kept.__getitem__)
    monkeypatch.setattr(object_uses, "mark", lambda _, key: kept.setdefault(key, b"marked before it is stored"))
    monkeypatch.setattr(claims, "autocommit", lambda: SimpleNamespace(connect=nullcontext))
    return kept


@pytest.mark.parametrize("carried", ["1" * 200_000, {"text": "é" * 100_000, "other": {"$object": 1}}])
def test_a_long_item_goes_and_comes_back(s3: dict[str, bytes], carried: Any) -> None:
    """As a text, and as an object of texts, it is the same after the way through S3."""
    sent = claims.checked_in(carried)
    assert claims.bytes_of(sent) == len(s3[sent["$object"]])
    assert len(json.dumps(sent)) < 150
    assert claims.redeemed(sent) == carried


@pytest.mark.parametrize("carried", ["1" * (load().payload_max_bytes - 2), {"text": "é"}])
def test_a_short_item_stays(s3: dict[str, bytes], carried: Any) -> None:
    """Items up to the bound are carried themselves."""
    assert claims.checked_in(carried) is carried
    assert not s3


@pytest.mark.parametrize(
    "carried",
    [
        '{"$object": "x"}',
        {"$object": "0" * 64},
        {"$object": "../0", "bytes": 1},
        {"$object": "0" * 64, "bytes": "1"},
        {"$object": "0" * 64, "bytes": 1, "more": 1},
        None,
        [],
    ],
)
def test_what_is_no_reference(carried: Any) -> None:
    """What only resembles a reference is left to the model."""
    assert claims.bytes_of(carried) is None
    assert claims.redeemed(carried) == carried


@pytest.mark.usefixtures("s3")
def test_the_relay_joins_no_references() -> None:
    """It joins lists by their length, and does not know how long the item of a reference is."""
    short, long = ({"key": "k", "item": claims.checked_in("1" * length)} for length in (1, 200_000))
    assert claims.joining([short, short]) == {contract.MESSAGE_ITEMS: 2}
    assert claims.joining([short, long]) == {}
