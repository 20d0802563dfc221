"""Each rule lets the good stack through and sees its own bugs, planted one at a time."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from infra.policy.model import Context
from infra.policy.registry import RULES, THEMES, check
from tests.unit.infra.policy.broken import BROKEN
from tests.unit.infra.policy.cases import GOOD, RANDOM, Case
from tests.unit.infra.policy.kept import KEPT

NAMES = [rule.name for rule in RULES]


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_has_a_fixture_that_keeps_it_and_one_that_breaks_it(name: str) -> None:
    """A rule that was never seen red is a hope."""
    assert name in {case.rule for case in KEPT}
    assert name in {case.rule for case in BROKEN}


def test_fixtures_are_of_rules_that_exist_and_names_are_unique() -> None:
    """A renamed rule takes its fixtures along."""
    assert {case.rule for case in KEPT + BROKEN} <= set(NAMES)
    assert len(NAMES) == len(set(NAMES)) == sum(len(rules) for rules in THEMES.values())


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_the_good_stack_keeps_every_rule(environment: Any) -> None:
    """The fixtures differ from it in one place, so what they break is that place."""
    assert check(GOOD, Context(environment)) == ()


def _id(case: Case) -> str:
    return f"{case.rule} {case.where}"


@pytest.mark.parametrize("case", KEPT, ids=_id)
def test_what_keeps_a_rule_breaks_none(case: Case) -> None:
    """Few false alarms: the variant is right, and no other rule thinks otherwise."""
    assert [str(found) for found in check(case.manifests, Context(case.environment))] == []


@pytest.mark.parametrize("case", BROKEN, ids=_id)
def test_what_breaks_a_rule_is_found_where_it_stands(case: Case) -> None:
    """And it is said what to do."""
    [rule] = [rule for rule in RULES if rule.name == case.rule]
    found = list(rule.findings(case.manifests, Context(case.environment)))
    assert any(case.where in finding.path for finding in found), found
    assert all(finding.advice for finding in found)


@pytest.mark.parametrize("case", [case for case in BROKEN if case.rule.startswith(("no-", "secrets-"))], ids=_id)
def test_no_message_holds_a_secret(case: Case) -> None:
    """A finding is logged and shown in CI: what may be a secret stands in none, whichever rule found it."""
    said = " ".join(str(violation) for violation in check(case.manifests, Context(case.environment)))
    assert not any(secret in said for secret in ("hunter2", "aHVudGVyMg", RANDOM))


def _ways(value: Any, *way: Any) -> Iterator[tuple[Any, ...]]:
    """The way to every key of every mapping and to every place of every list."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in entries:
        yield (*way, key)
        yield from _ways(item, *way, key)


PLACES = [(number, way) for number, manifest in enumerate(GOOD) for way in _ways(manifest)]
SHAPES: list[Any] = [
    None, "", "x", "(known after the update)", 0, -1, 1.5, True, [], [None], [[]], {}, {"x": None}, [{"x": []}],
]  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(PLACES), st.sampled_from(SHAPES))
def test_rules_answer_whatever_stands_in_a_manifest(place: tuple[int, tuple[Any, ...]], shape: Any) -> None:
    """A wrong shape is kubeconform's business, and a value may not be known yet: rules do not fall over."""
    number, (*way, last) = place
    broken = copy.deepcopy(GOOD[number])
    container: Any = functools.reduce(lambda value, key: value[key], way, broken)
    container[last] = shape
    check([*GOOD[:number], broken, *GOOD[number + 1 :]], Context("prod"))
