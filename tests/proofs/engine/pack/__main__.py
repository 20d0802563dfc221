"""A rule about one resource, and one about the whole stack."""

from __future__ import annotations

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)


def _tagged(args: ResourceValidationArgs, report: ReportViolation) -> None:
    if args.resource_type != "kubernetes:apps/v1:StatefulSet":
        return
    for container in args.props["spec"]["template"]["spec"]["containers"]:
        if ":" not in container["image"]:
            report(f"{container['image']} has no tag", None)


def _one_set(args: StackValidationArgs, report: ReportViolation) -> None:
    sets = [resource for resource in args.resources if resource.resource_type == "kubernetes:apps/v1:StatefulSet"]
    report(f"{len(sets)} stateful set", None)


PolicyPack(
    "test",
    [
        ResourceValidationPolicy(
            name="image-has-a-tag",
            description="Images have tags.",
            validate=_tagged,
            enforcement_level=EnforcementLevel.MANDATORY,
        ),
        StackValidationPolicy(
            name="says-what-it-sees",
            description="Counts.",
            validate=_one_set,
            enforcement_level=EnforcementLevel.ADVISORY,
        ),
    ],
)
