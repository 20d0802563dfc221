"""The stacks of this repository keep every rule; and a rule that they break is seen in them, not only in a fixture."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, get_args

import pytest

from infra.policy.manifests import kind, name, namespace
from infra.policy.model import Context, Environment
from infra.policy.pods import pod
from infra.policy.registry import RULES, check
from infra.render.program import Program

STACKS: tuple[Environment, ...] = get_args(Environment)


@lru_cache
def rendered(stack: Environment) -> tuple[Any, ...]:
    """As `make render` writes it."""
    return tuple(manifest.body for manifest in Program.of(stack).references())


@pytest.mark.parametrize("stack", STACKS)
def test_the_stack_keeps_every_rule(stack: Environment) -> None:
    """Without a suppression."""
    assert [str(violation) for violation in check(rendered(stack), Context(stack))] == []


def broken(rule_name: str, manifests: list[Any], stack: Environment) -> list[str]:
    """What one rule finds."""
    [rule] = [rule for rule in RULES if rule.name == rule_name]
    return [finding.path for finding in rule.findings(manifests, Context(stack))]


@pytest.mark.parametrize("stack", STACKS)
def test_without_any_one_budget_or_default_deny_the_stack_breaks_a_rule(stack: Environment) -> None:
    """Each of them is there for something."""
    manifests = rendered(stack)
    for removed in manifests:
        rest = [manifest for manifest in manifests if manifest is not removed]
        if kind(removed) == "NetworkPolicy" and name(removed) == "default-deny":
            assert len(broken("network-default-deny", rest, stack)) == 2, namespace(removed)
        # A budget for one pod is not asked for: evicting it is the point.
        if kind(removed) == "PodDisruptionBudget" and name(removed) in {"gateway", "relay", "rabbitmq"}:
            assert broken("disruption-budget", rest, stack), name(removed)


@pytest.mark.parametrize("stack", STACKS)
def test_any_one_container_that_is_less_hardened_breaks_a_rule(stack: Environment) -> None:
    """Every pod of the stack is looked at, whatever makes it."""
    rules = {
        "read-only-root": ("securityContext", {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}),
        "no-privilege-escalation": ("securityContext", {"readOnlyRootFilesystem": True}),
        "no-capabilities": ("securityContext", {"allowPrivilegeEscalation": False}),
        "resources-said": ("resources", {}),
        "image-version": ("image", "somewhere/something:latest"),
    }
    seen = 0
    for found in filter(None, map(pod, rendered(stack))):
        for container in found.containers():
            field = "initContainers" if ".initContainers[" in container.path else "containers"
            for rule, (key, value) in rules.items():
                changed = {**container.spec, key: value}
                others = [changed if spec is container.spec else spec for spec in found.spec[field]]
                lone = {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {**found.spec, field: others}}
                assert broken(rule, [lone], stack), (container.path, rule)
                seen += 1
    assert seen > len(rules) * 10
