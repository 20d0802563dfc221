"""All rules of AWS, and the one function that asks them."""

from __future__ import annotations

from collections.abc import Iterable

from infra.aws.rules import access, data, network
from infra.policy.manifests import kind, name
from infra.policy.model import Context, Manifest, Rule, Violation

RULES: tuple[Rule, ...] = (*network.RULES, *data.RULES, *access.RULES)


def check(manifests: Iterable[Manifest], context: Context) -> tuple[Violation, ...]:
    """Ask every rule; in the order of the rules."""
    everything = tuple(manifests)
    return tuple(
        Violation(
            rule=rule.name,
            enforcement=rule.enforcement,
            resource=f"{kind(finding.manifest)} {name(finding.manifest)}",
            path=finding.path,
            value=finding.value,
            advice=finding.advice,
        )
        for rule in RULES
        for finding in rule.findings(everything, context)
    )
