"""Access to the Kubernetes API: none, unless a binding says why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.policy.manifests import ANNOTATION_REASON, at, items, kind, mapping, mappings, name, namespace, of_kind
from infra.policy.model import Context, Finding, Manifest, ResourceRule, StackRule
from infra.policy.pods import Pod, pod

ENFORCE = "pod-security.kubernetes.io/enforce"
#: Roles that come with every cluster and may do everything that matters.
MIGHTY_ROLES = {"cluster-admin", "admin", "edit"}
#: Verbs with which a role makes itself a larger one.
MIGHTY_VERBS = {"*", "escalate", "bind", "impersonate"}
EVERYBODY = {"system:anonymous", "system:authenticated", "system:unauthenticated", "system:serviceaccounts"}

Account = tuple[str, str]


def _entitled(manifests: Sequence[Manifest]) -> set[Account]:
    """The accounts of bindings that say why."""
    return {
        (str(subject.get("namespace") or namespace(binding)), str(subject.get("name")))
        for binding in of_kind(manifests, "RoleBinding", "ClusterRoleBinding")
        if at(binding, "metadata", "annotations", ANNOTATION_REASON)
        for subject in mappings(binding.get("subjects"))
        if subject.get("kind") == "ServiceAccount"
    }


def _projects_token(found: Pod) -> bool:
    return any(
        "serviceAccountToken" in source
        for volume in mappings(found.spec.get("volumes"))
        for source in mappings(at(volume, "projected", "sources"))
    )


def _no_token(manifests: Sequence[Manifest], _: Context) -> Iterator[Finding]:
    entitled = _entitled(manifests)
    field = "automountServiceAccountToken"
    advice = f"set it to false, or bind the account by RBAC with the annotation {ANNOTATION_REASON}"
    accounts = {(namespace(account), name(account)): account for account in of_kind(manifests, "ServiceAccount")}
    for account, manifest in accounts.items():
        if account not in entitled and manifest.get(field) is not False:
            yield Finding(manifest, field, manifest.get(field), advice)
    for manifest in manifests:
        if not (found := pod(manifest)):
            continue
        account = (namespace(manifest), str(found.spec.get("serviceAccountName") or "default"))
        mounted = found.spec.get(field, mapping(accounts.get(account)).get(field))
        if account not in entitled and mounted is not False:
            yield Finding(manifest, f"{found.path}.{field}", mounted, advice)
        if account not in entitled and _projects_token(found):
            yield Finding(manifest, f"{found.path}.volumes", "serviceAccountToken", advice)


def _narrow(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for index, rule in enumerate(mappings(manifest.get("rules")) if kind(manifest) in {"Role", "ClusterRole"} else ()):
        path = f"rules[{index}]"
        for field in ("apiGroups", "resources", "nonResourceURLs"):
            if any("*" in str(value) for value in items(rule.get(field))):
                yield Finding(manifest, f"{path}.{field}", list(rule[field]), "name them")
        if mighty := sorted(MIGHTY_VERBS & {str(verb) for verb in items(rule.get("verbs"))}):
            yield Finding(manifest, f"{path}.verbs", mighty, "name the verbs that are used")
    if kind(manifest) in {"RoleBinding", "ClusterRoleBinding"}:
        if (role := str(at(manifest, "roleRef", "name"))) in MIGHTY_ROLES:
            yield Finding(manifest, "roleRef.name", role, "make a role with what is used")
        for subject in mappings(manifest.get("subjects")):
            who = str(subject.get("name"))
            if who in EVERYBODY or who.startswith("system:serviceaccounts:"):
                yield Finding(manifest, "subjects", who, "name the one account")


def _restricted(manifest: Manifest, _: Context) -> Iterator[Finding]:
    if kind(manifest) == "Namespace":
        level = at(manifest, "metadata", "labels", ENFORCE)
        if level != "restricted":
            yield Finding(manifest, f"metadata.labels[{ENFORCE}]", level, "set it to restricted")


RULES = (
    StackRule(
        name="no-api-token",
        description=f"No pod holds a token of the API unless a binding's annotation {ANNOTATION_REASON} says why.",
        reason="The token is what an intruder looks for first; nothing of ours asks the API.",
        check=_no_token,
    ),
    ResourceRule(
        name="roles-narrow",
        description="No role has wildcards or can make itself larger; no binding is to a built-in administrator.",
        reason="A wildcard also means what the next version of Kubernetes adds.",
        check=_narrow,
    ),
    ResourceRule(
        name="namespace-restricted",
        description="Every Namespace enforces the Pod Security level `restricted`.",
        reason="These rules see what this program makes; the label also stops what somebody applies by hand.",
        check=_restricted,
    ),
)
