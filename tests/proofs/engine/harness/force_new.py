"""The fields that Kubernetes lets nobody change: the real provider replaces the object instead.

From provider/pkg/provider/diff.go of pulumi/pulumi-kubernetes, for the kinds that Millrace uses.
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.lab.plugins.values import Change

_IDENTITY = frozenset({("metadata", "name"), ("metadata", "namespace")})
_FIELDS: Mapping[str, frozenset[tuple[str, ...]]] = {
    "DaemonSet": frozenset({("spec", "selector")}),
    "Deployment": frozenset({("spec", "selector")}),
    "Job": frozenset({("spec", "completions"), ("spec", "parallelism"), ("spec", "selector"), ("spec", "template")}),
    "PersistentVolumeClaim": frozenset({
        ("spec", "accessModes"),
        ("spec", "selector"),
        ("spec", "storageClassName"),
        ("spec", "volumeName"),
    }),
    "ResourceQuota": frozenset({("spec", "scopes")}),
    "RoleBinding": frozenset({("roleRef",)}),
    "ClusterRoleBinding": frozenset({("roleRef",)}),
    "Service": frozenset({("spec", "clusterIP")}),
    "StatefulSet": frozenset({
        ("spec", "podManagementPolicy"),
        ("spec", "revisionHistoryLimit"),
        ("spec", "selector"),
        ("spec", "serviceName"),
        ("spec", "volumeClaimTemplates"),
    }),
    "StorageClass": frozenset({("parameters",), ("provisioner",)}),
}  # fmt: skip
_DATA = frozenset({("data",), ("binaryData",), ("stringData",), ("type",)})


def replaces(kind: str, change: Change, *, mutable: frozenset[str] = frozenset()) -> bool:
    """Does this change need another object?

    Args:
        kind: the object's.
        change: what changed in it.
        mutable: ConfigMap and Secret, if the provider's enableConfigMapMutable and enableSecretMutable are on.
    """
    fields = _IDENTITY | _FIELDS.get(kind, frozenset())
    if kind in {"ConfigMap", "Secret"} - mutable:
        fields |= _DATA
    return any(change.path[: len(field)] == field for field in fields)
