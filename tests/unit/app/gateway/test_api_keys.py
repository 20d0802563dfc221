"""API keys: made, taken apart, compared."""

from __future__ import annotations

import pytest

from app.contract import Scope
from app.gateway import api_keys
from app.gateway.api_keys import KeyRecord, PresentedKey

KEY = PresentedKey(api_key_id="a" * 16, secret="b" * 64)


def record(**changes: object) -> KeyRecord:
    """What is stored of KEY, changed."""
    values = {
        "api_key_id": KEY.api_key_id,
        "secret_hash": api_keys.hash_secret(KEY.secret),
        "scopes": frozenset({"tasks:write"}),
        "requests_per_second": 1.0,
        "revoked": False,
    }
    return KeyRecord(**(values | changes))  # type: ignore[arg-type]


def test_a_new_key_is_understood_again() -> None:
    """What is shown once is what is parsed later."""
    key = api_keys.generate()

    assert api_keys.parse(api_keys.render(key)) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mr",
        "mr__",
        f"mr_{'a' * 16}",
        f"mr_{'a' * 16}_{'b' * 63}",
        f"mr_{'a' * 16}_{'b' * 65}",
        f"xx_{'a' * 16}_{'b' * 64}",
        f"mr_{'A' * 16}_{'b' * 64}",
        f"mr_{'é' * 16}_{'b' * 64}",
        f"mr_{'a' * 16}_{'b' * 64}_",
    ],
)
def test_nonsense_is_no_key(text: str) -> None:
    """It never reaches the database."""
    assert api_keys.parse(text) is None


@pytest.mark.parametrize(
    ("stored", "valid"),
    [
        (record(), True),
        (record(revoked=True), False),
        (record(secret_hash=api_keys.hash_secret("c" * 64)), False),
        (None, False),
    ],
)
def test_who_may_come_in(stored: KeyRecord | None, valid: bool) -> None:
    """Only the right secret of a key that is known and not revoked."""
    assert api_keys.matches(KEY, stored) is valid


def test_an_unknown_id_costs_a_comparison_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether an id exists cannot be told from the time that the answer takes."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return a == b

    monkeypatch.setattr(api_keys.hmac, "compare_digest", compare)

    api_keys.matches(KEY, None)

    assert [len(side) for side in compared[0]] == [32, 32]


def test_the_secret_stays_out_of_logs() -> None:
    """A key's repr has no secret in it."""
    assert KEY.secret not in repr(KEY)


def test_scopes() -> None:
    """A key may do what its scopes name, and nothing else."""
    assert api_keys.allows(record(), Scope.TASKS_WRITE)
    assert not api_keys.allows(record(), Scope.METRICS_READ)
