"""The stacks of this repository keep every rule; and a rule that they break is seen in them, not only in a fixture."""

from __future__ import annotations

from typing import Any

from infra.policy.manifests import kind, name, namespace
from infra.policy.model import Context, Environment
from infra.policy.pods import pod
from infra.policy.registry import RULES, check
from tests.unit.infra.stacks import Rendered


def test_the_stack_keeps_every_rule(rendered: Rendered) -> None:
    """Without a suppression."""
    assert [str(violation) for violation in check(rendered.bodies(), Context(rendered.stack.environment))] == []


def broken(rule_name: str, manifests: list[Any], stack: Environment) -> list[str]:
    """What one rule finds."""
    [rule] = [rule for rule in RULES if rule.name == rule_name]
    return [finding.path for finding in rule.findings(manifests, Context(stack))]


def test_without_any_one_budget_or_default_deny_the_stack_breaks_a_rule(rendered: Rendered) -> None:
    """Each of them is there for something."""
    stack, manifests = rendered.stack.environment, rendered.bodies()
    for removed in manifests:
        rest = [manifest for manifest in manifests if manifest is not removed]
        if kind(removed) == "NetworkPolicy" and name(removed) == "default-deny":
            assert len(broken("network-default-deny", rest, stack)) == 2, namespace(removed)
        # A budget for one pod is not asked for: evicting it is the point.
        if kind(removed) == "PodDisruptionBudget" and name(removed) in {"gateway", "relay", "rabbitmq"}:
            assert broken("disruption-budget", rest, stack), name(removed)


def test_any_one_container_that_is_less_hardened_breaks_a_rule(rendered: Rendered) -> None:
    """Every pod of the stack is looked at, whatever makes it."""
    rules = {
        "read-only-root": ("securityContext", {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}),
        "no-privilege-escalation": ("securityContext", {"readOnlyRootFilesystem": True}),
        "no-capabilities": ("securityContext", {"allowPrivilegeEscalation": False}),
        "resources-said": ("resources", {}),
        "image-version": ("image", "somewhere/something:latest"),
    }
    seen = 0
    for found in filter(None, map(pod, rendered.bodies())):
        for container in found.containers():
            field = "initContainers" if ".initContainers[" in container.path else "containers"
            for rule, (key, value) in rules.items():
                changed = {**container.spec, key: value}
                others = [changed if spec is container.spec else spec for spec in found.spec[field]]
                lone = {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {**found.spec, field: others}}
                assert broken(rule, [lone], rendered.stack.environment), (container.path, rule)
                seen += 1
    assert seen > len(rules) * 10
