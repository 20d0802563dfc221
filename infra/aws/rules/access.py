"""Rules of access: no rights beyond the table, no wildcard, no user, no key that could be copied."""

from __future__ import annotations

import json
from collections.abc import Iterator

from infra.aws.rules.reading import document, words
from infra.policy.manifests import at, kind
from infra.policy.model import Context, Finding, Manifest, ResourceRule

_IDENTITY = ("aws:iam/policy:Policy", "aws:iam/rolePolicy:RolePolicy", "aws:iam/role:Role")
#: Policies that say whose grants count, and grant nothing by themselves; each with the condition or principal it needs.
_ENDPOINT, _KEY = "aws:ec2/vpcEndpoint:VpcEndpoint", "aws:kms/key:Key"
#: Signs in with something that can be copied.
_COPIED = ("aws:iam/user:User", "aws:iam/accessKey:AccessKey", "aws:iam/userLoginProfile:UserLoginProfile")
#: IAM's limits of a document, in characters without blanks.
_MANAGED_CHARACTERS, _INLINE_CHARACTERS = 6144, 10_240


def _no_wildcards(manifest: Manifest, _: Context) -> Iterator[Finding]:
    found = document(manifest)
    for one in found.statements if found else ():
        if one.get("Effect") != "Allow":
            continue
        where = f"{found.field if found else ''}.{one.get('Sid')}"
        wild = [action for action in words(one.get("Action")) if "*" in action]
        if wild and not _whose_grants_count(manifest, one):
            yield Finding(manifest, f"{where}.Action", wild, "name the actions that are used")
        if kind(manifest) in _IDENTITY and "*" in words(one.get("Resource")):
            yield Finding(manifest, f"{where}.Resource", "*", "name the resource")
        everybody = one.get("Principal") in ("*", {"AWS": "*"})
        if everybody and kind(manifest) != _ENDPOINT:
            yield Finding(manifest, f"{where}.Principal", "*", "name who may")


def _whose_grants_count(manifest: Manifest, statement: Manifest) -> bool:
    if kind(manifest) == _ENDPOINT:
        return at(statement, "Condition", "StringEquals", "aws:PrincipalAccount") is not None
    principal = str(at(statement, "Principal", "AWS"))
    return kind(manifest) == _KEY and principal.startswith("['arn:aws:iam::") and principal.endswith(":root']")


def _nothing_to_copy(manifest: Manifest, _: Context) -> Iterator[Finding]:
    if kind(manifest) in _COPIED:
        yield Finding(manifest, "kind", kind(manifest), "give the pod a role by Pod Identity")


def _fits(manifest: Manifest, _: Context) -> Iterator[Finding]:
    limit = {"aws:iam/policy:Policy": _MANAGED_CHARACTERS, "aws:iam/rolePolicy:RolePolicy": _INLINE_CHARACTERS}
    found = document(manifest)
    if found is None or kind(manifest) not in limit:
        return
    length = len(json.dumps(json.loads(found.text), separators=(",", ":")))
    if length > limit[kind(manifest)]:
        advice = f"IAM takes {limit[kind(manifest)]} characters: declare fewer queues"
        yield Finding(manifest, found.field, f"{length} characters", advice)


RULES = (
    ResourceRule(
        name="no-wildcards",
        description="No statement allows an action with a wildcard, everything, or everybody.",
        reason="What is not needed is what an intruder uses.",
        check=_no_wildcards,
    ),
    ResourceRule(
        name="nothing-to-copy",
        description="There is no user and no access key.",
        reason="Pod Identity hands out credentials that end after hours; a key ends when somebody remembers it.",
        check=_nothing_to_copy,
    ),
    ResourceRule(
        name="policy-fits",
        description="A policy document is no longer than IAM takes.",
        reason="It grows with the queues, and AWS refuses it in the middle of an update.",
        check=_fits,
    ),
)
