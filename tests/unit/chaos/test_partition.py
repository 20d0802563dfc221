"""Which rules part one broker from its neighbours, and leave everybody else's as they are."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.errors import NotConfirmedError
from chaos.partition import without
from infra.render.program import REPOSITORY, Program


def _policy() -> dict[str, Any]:
    manifests = Program.of("staging", REPOSITORY / "Pulumi.staging.yaml").references()
    (found,) = (one for one in manifests if (one.kind, one.name) == ("NetworkPolicy", "rabbitmq"))
    return dict(found.body["spec"])


def _selectors(rules: list[dict[str, Any]], side: str) -> list[dict[str, Any]]:
    return [peer["podSelector"] for rule in rules for peer in rule.get(side, []) if "podSelector" in peer]


def test_the_neighbours_of_the_real_policy_lose_one_pod_in_both_directions() -> None:
    """Only RabbitMQ's own; clients are let in as before."""
    policy = _policy()
    rules = without(policy, "rabbitmq-1")
    changed = []
    for side, direction in (("from", "ingress"), ("to", "egress")):
        for before, after in zip(_selectors(policy[direction], side), _selectors(rules[direction], side), strict=True):
            if before != after:
                changed.append((direction, after["matchLabels"]["app.kubernetes.io/name"], after["matchExpressions"]))
    cut = [{"key": "statefulset.kubernetes.io/pod-name", "operator": "NotIn", "values": ["rabbitmq-1"]}]
    assert changed == [("ingress", "rabbitmq", cut), ("egress", "rabbitmq", cut)]


def test_a_policy_without_neighbours_cuts_nothing() -> None:
    """A drill that changes nothing must not be taken for one."""
    with pytest.raises(NotConfirmedError, match="reach each other"):
        without({"ingress": [], "egress": []}, "rabbitmq-1")
