"""Manifests without a fault: one of each kind that the checks must understand. Tests plant one fault at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]

_LABELS = {"app.kubernetes.io/name": "gateway"}
_DIGEST = f"millrace/app@sha256:{64 * 'a'}"
_PROBE = {"httpGet": {"path": "/healthz", "port": "https", "scheme": "HTTPS"}, "periodSeconds": 5}


def _object(api_version: str, kind: str, name: str, **rest: Any) -> Document:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "millrace"}, **rest}


def _pod() -> Document:
    return {
        "serviceAccountName": "gateway",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "gateway",
                "image": _DIGEST,
                "imagePullPolicy": "Always",
                "ports": [{"name": "https", "containerPort": 8443}],
                "resources": {
                    "requests": {"cpu": 1, "memory": "256Mi"},
                    "limits": {"cpu": "2", "memory": "256Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
                "livenessProbe": _PROBE,
                "readinessProbe": _PROBE,
            }
        ],
    }


DOCUMENTS: dict[str, Document] = {
    "deployment": _object(
        "apps/v1",
        "Deployment",
        "gateway",
        spec={
            "selector": {"matchLabels": _LABELS},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
            "template": {"metadata": {"labels": _LABELS}, "spec": _pod()},
        },
    ),
    "service": _object(
        "v1",
        "Service",
        "gateway",
        spec={"selector": _LABELS, "ports": [{"port": 443, "targetPort": "https"}]},
    ),
    "pdb": _object(
        "policy/v1",
        "PodDisruptionBudget",
        "gateway",
        spec={"maxUnavailable": 1, "selector": {"matchLabels": _LABELS}},
    ),
    "networkpolicy": _object(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "gateway",
        spec={"podSelector": {"matchLabels": _LABELS}, "policyTypes": ["Ingress", "Egress"]},
    ),
    "scaledobject": _object(
        "keda.sh/v1alpha1",
        "ScaledObject",
        "worker-bulk",
        spec={
            "scaleTargetRef": {"name": "worker-bulk"},
            "minReplicaCount": 2,
            "triggers": [{"type": "rabbitmq", "metadata": {"mode": "QueueLength", "value": "100"}}],
            "fallback": {"failureThreshold": 3, "replicas": 4},
        },
    ),
    "certificate": _object(
        "cert-manager.io/v1",
        "Certificate",
        "gateway",
        spec={
            "secretName": "gateway-tls",
            "dnsNames": ["gateway.millrace.svc"],
            "issuerRef": {"name": "millrace-ca-1", "kind": "Issuer"},
            "privateKey": {"rotationPolicy": "Always", "algorithm": "ECDSA", "size": 256},
        },
    ),
    "cluster": _object(
        "postgresql.cnpg.io/v1",
        "Cluster",
        "postgresql",
        spec={
            "instances": 3,
            "storage": {"size": "20Gi"},
            "affinity": {"topologyKey": "topology.kubernetes.io/zone", "podAntiAffinityType": "required"},
            "postgresql": {"parameters": {"max_connections": "200"}},
        },
    ),
    "scheduledbackup": _object(
        "postgresql.cnpg.io/v1",
        "ScheduledBackup",
        "postgresql",
        spec={"schedule": "0 0 3 * * *", "cluster": {"name": "postgresql"}, "method": "volumeSnapshot"},
    ),
    "objectstore": _object(
        "barmancloud.cnpg.io/v1",
        "ObjectStore",
        "postgresql",
        spec={
            "configuration": {
                "destinationPath": "s3://backups/postgresql",
                "s3Credentials": {"inheritFromIAMRole": True},
                "wal": {"compression": "gzip", "maxParallel": 4},
            },
            "retentionPolicy": "30d",
        },
    ),
    "prometheusrule": _object(
        "monitoring.coreos.com/v1",
        "PrometheusRule",
        "millrace",
        spec={"groups": [{"name": "a", "rules": [{"alert": "Down", "expr": "up == 0", "for": "5m"}]}]},
    ),
}


def write(folder: Path, *names: str, change: Callable[[Document], object] | None = None) -> Path:
    """Write these documents, or all, one a file, after a change that plants a fault."""
    for name in names or DOCUMENTS:
        document = copy.deepcopy(DOCUMENTS[name])
        if change is not None:
            change(document)
        (folder / f"{name}.yaml").write_text(yaml.dump(document))
    return folder
