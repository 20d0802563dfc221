"""YAML that every reader reads alike."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st

from infra.render.manifests import Manifest
from infra.render.text import text


def _text(value: Any) -> str:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"key": value}}
    return text(Manifest(3, body, "urn", protect=False), "staging")


@given(st.text())
def test_what_is_written_is_what_is_read(value: str) -> None:
    """Any text at all."""
    assert yaml.safe_load(_text(value))["data"]["key"] == value


@pytest.mark.parametrize(
    "value", ["1234e567", "12e3", "0o17", "1_000", "y", "N", "on", "~", ".5", "2024-01-01", "-", "="]
)
def test_texts_that_some_reader_takes_for_something_else_are_quoted(value: str) -> None:
    """Kubernetes' own reader knows numbers that PyYAML does not."""
    assert f"key: '{value}'" in _text(value)


def test_a_file_says_what_made_it_and_lines_stay_lines() -> None:
    """So that a person can read a broker's configuration."""
    lines = _text("one\ntwo\n").splitlines()
    assert lines[0].startswith("# Made by `make render STACK=staging`")
    assert lines[1:3] == ["apiVersion: v1", "kind: ConfigMap"]
    assert lines[-3:] == ["  key: |", "    one", "    two"]
