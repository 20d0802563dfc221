"""The rules as Pulumi's engine asks them: resource by resource, and at the end the stack.

`AnalyzeStack` brings what the provider returned, with everything that the cluster filled in (the replicas that a scaler
chose, for one). The rules are about what the program says, so the pack keeps the inputs that `Analyze` brought before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from infra import naming
from infra.policy.manifests import at, mapping, resource
from infra.policy.model import Context, Finding, Manifest, ResourceRule, Rule, StackRule
from infra.policy.registry import RULES

NAME = "millrace"
_PROVIDER = "kubernetes:"
#: What a preview cannot know yet. A finding about it is not reported: the update asks again.
UNKNOWN = "(known after the update)"


def context(*manifests: Manifest) -> Context:
    """The environment as the objects' own labels say it; without a word, the strict one.

    Not as the stack's settings say it: a pack that a language plugin starts does not get them (pulumi-policy 1.21).
    """
    said = {at(one, "metadata", "labels", naming.LABEL_STACK) for one in manifests} - {None}
    return Context("staging" if said == {"staging"} else "prod")


def manifest(resource_type: str, name: str, props: Mapping[str, Any]) -> Manifest | None:
    """The manifest of a Pulumi resource; None for what is no Kubernetes object.

    A Secret is without its data: the engine encrypts it in the state, and a rule has no business with it.
    """
    if not resource_type.startswith(_PROVIDER):
        return None
    version, _, kind = resource_type.removeprefix(_PROVIDER).rpartition(":")
    said: dict[str, Any] = {"apiVersion": version.removeprefix("core/"), "kind": kind} | _plain(props)
    if kind == "Secret":
        said = {key: value for key, value in said.items() if key not in {"data", "stringData"}}
    return said | {"metadata": {"name": name} | dict(mapping(said.get("metadata")))}


def _plain(value: Any) -> Any:
    """Without the SDK's proxies; whole numbers are floats on the wire."""
    if isinstance(value, Mapping):
        return {key: _known(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_known(value, index) for index in range(len(value))]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _known(container: Any, key: Any) -> Any:
    try:
        return _plain(container[key])
    except UnknownValueError:
        return UNKNOWN


def _depends_on_unknown(finding: Finding) -> bool:
    return UNKNOWN in str(finding.value)


@dataclass
class Inputs:
    """What the program said, by URN; filled by `Analyze`, read by `AnalyzeStack`."""

    by_urn: dict[str, Manifest] = field(default_factory=dict)

    def policies(self) -> list[Policy]:
        """One of Pulumi's policies for every rule."""
        return [self._policy(rule) for rule in RULES]

    def _policy(self, rule: Rule) -> Policy:
        level = EnforcementLevel(rule.enforcement)
        if isinstance(rule, ResourceRule):
            return ResourceValidationPolicy(rule.name, rule.description, self._of_resource(rule), level)
        return StackValidationPolicy(rule.name, rule.description, self._of_stack(rule), level)

    def _of_resource(self, rule: ResourceRule) -> Any:
        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            if found := manifest(args.resource_type, args.name, args.props):
                self.by_urn[args.urn] = found
                for finding in rule.check(found, context(found)):
                    _report(finding, report, args.urn)

        return validate

    def _of_stack(self, rule: StackRule) -> Any:
        def validate(args: StackValidationArgs, report: ReportViolation) -> None:
            manifests = {}
            for item in args.resources:
                if found := self.by_urn.get(item.urn) or manifest(item.resource_type, item.name, item.props):
                    manifests[item.urn] = found
            urns = {id(found): urn for urn, found in manifests.items()}
            for finding in rule.check(list(manifests.values()), context(*manifests.values())):
                # What this operation leaves alone (--target) is known only as the cluster has it.
                if (urn := urns[id(finding.manifest)]) in self.by_urn:
                    _report(finding, report, urn)

        return validate


def _report(finding: Finding, report: ReportViolation, urn: str) -> None:
    if not _depends_on_unknown(finding):
        where = f"{resource(finding.manifest)}: {finding.path}"
        report(f"{where} is {finding.value!r}: {finding.advice}", urn)
