"""A secret value is in no text that somebody reads."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, strategies as st

from infra.cluster.objects import decoded, encoded, hide, secret_values


@given(st.text(min_size=8), st.text(), st.text())
def test_what_is_hidden_is_in_no_text(secret: str, before: str, after: str) -> None:
    """Whatever it is in."""
    kept = base64.b64encode(secret.encode()).decode()
    found = hide(f"{before}|{kept}|{after}", secret_values({"kind": "Secret", "data": {"key": kept}}))
    assert kept not in found


@pytest.mark.parametrize("value", ["neither base64 nor short", "////////", "ünïcödé-äöü", "a" * 9])
def test_values_that_are_not_what_they_should_be_are_hidden_too(value: str) -> None:
    """Those are the ones that an API server complains of, and quotes."""
    for field in ("data", "stringData"):
        body = {"kind": "Secret", field: {"key": value}}
        assert value not in hide(f"illegal data: {value}", secret_values(body))


@given(st.dictionaries(st.text(), st.text()))
def test_a_secret_is_read_as_it_was_written(values: dict[str, str]) -> None:
    """Both ways are base64."""
    assert decoded({"data": {key: encoded(value) for key, value in values.items()}}) == values
