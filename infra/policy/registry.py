"""All rules, and the one function that asks them."""

from __future__ import annotations

from collections.abc import Iterable

from infra.policy.manifests import resource
from infra.policy.model import Context, Manifest, Rule, Violation
from infra.policy.rules import (
    access,
    certificates,
    disruption,
    exposure,
    hardening,
    images,
    ingress,
    network,
    probes,
    protocols,
    resources,
    scaling,
    secret_values,
    shutdown,
    stateful,
)

#: By theme, in the order of the page: what a container is, whom it reaches, how it lives, what it keeps secret.
THEMES: dict[str, tuple[Rule, ...]] = {
    "Containers": (*resources.RULES, *hardening.RULES, *images.RULES),
    "Network": (*network.RULES, *exposure.RULES, *ingress.RULES, *protocols.RULES),
    "Life and death": (*probes.RULES, *shutdown.RULES, *disruption.RULES, *scaling.RULES, *stateful.RULES),
    "Secrets and access": (*secret_values.RULES, *certificates.RULES, *access.RULES),
}
RULES: tuple[Rule, ...] = tuple(rule for rules in THEMES.values() for rule in rules)


def check(manifests: Iterable[Manifest], context: Context) -> tuple[Violation, ...]:
    """Ask every rule; in the order of the rules."""
    everything = tuple(manifests)
    return tuple(
        Violation(
            rule=rule.name,
            enforcement=rule.enforcement,
            resource=resource(finding.manifest),
            path=finding.path,
            value=finding.value,
            advice=finding.advice,
        )
        for rule in RULES
        for finding in rule.findings(everything, context)
    )
