"""A small stack that keeps every rule of prod, and ways to break it.

Long because it is data: one builder for each kind of manifest, and nothing that decides.
"""

from __future__ import annotations

import copy
from typing import Any

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
APP, DATA = "millrace", "millrace-data"

Manifest = dict[str, Any]
#: The manifests of a stack, by a short name.
Stack = dict[str, Manifest]


def labels(component: str) -> dict[str, str]:
    """A component's labels, which are its selector too."""
    return {"app.kubernetes.io/name": component, "app.kubernetes.io/part-of": "millrace"}


def meta(name: str, namespace: str | None = APP, **more: Any) -> dict[str, Any]:
    """Name, labels and namespace."""
    return {"name": name, "labels": labels(name), **({"namespace": namespace} if namespace else {}), **more}


def container(name: str, **more: Any) -> dict[str, Any]:
    """A container that is small, hardened and asked how it is."""
    return {
        "name": name,
        "image": f"registry.example.com:5000/millrace/app:0.1.0@{DIGEST}",
        "env": [
            {"name": "MILLRACE_ENVIRONMENT", "value": "prod"},
            {"name": "MILLRACE_SECRETS_DIR", "value": "/run/secrets/millrace"},
        ],
        "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1024Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "livenessProbe": {"exec": {"command": ["python", "-S", "-m", "app.telemetry.probe"]}},
        **more,
    }


def pod(component: str, *containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A pod template of one component."""
    return {
        "metadata": {"labels": labels(component)},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 60,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": list(containers) or [container(component)],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
            **more,
        },
    }


def deployment(component: str, template: dict[str, Any] | None = None, **spec: Any) -> Manifest:
    """A Deployment of one component."""
    selector = {"matchLabels": labels(component)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(component),
        "spec": {"selector": selector, "template": template or pod(component), **spec},
    }


def budget(component: str, namespace: str = APP, **spec: Any) -> Manifest:
    """Its PodDisruptionBudget."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": meta(component, namespace),
        "spec": {"selector": {"matchLabels": labels(component)}, **(spec or {"maxUnavailable": 1})},
    }


def policy(name: str, namespace: str, **spec: Any) -> Manifest:
    """A NetworkPolicy; without more it denies everything."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta(name, namespace),
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], **spec},
    }


def hpa(component: str, **spec: Any) -> Manifest:
    """A HorizontalPodAutoscaler of a Deployment."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta(component),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": component},
            "minReplicas": 2,
            "maxReplicas": 20,
            **spec,
        },
    }


def scaled_object(component: str, **spec: Any) -> Manifest:
    """A ScaledObject of a Deployment, on the length of a queue."""
    metadata = {"protocol": "http", "mode": "QueueLength", "value": "400", "queueName": "interactive"}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": meta(component),
        "spec": {
            "scaleTargetRef": {"name": component},
            "minReplicaCount": 2,
            "fallback": {"failureThreshold": 3, "replicas": 4},
            "triggers": [{"type": "rabbitmq", "metricType": "AverageValue", "metadata": metadata}],
            **spec,
        },
    }


def config_map(**data: str) -> Manifest:
    """A ConfigMap; `x_conf` makes a file x.conf."""
    named = {name.replace("_conf", ".conf"): text for name, text in data.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("config"), "data": named}


def peer(component: str, namespace: str) -> dict[str, Any]:
    """A component of a namespace, as a NetworkPolicy names it."""
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": labels(component)},
    }


def namespace(name: str) -> Manifest:
    """A Namespace for restricted pods."""
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": restricted}}


def certificate(component: str, **spec: Any) -> Manifest:
    """A component's Certificate."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": meta(component),
        "spec": {
            "secretName": f"{component}-tls",
            "privateKey": {"rotationPolicy": "Always"},
            "usages": ["server auth", "client auth"],
            "issuerRef": {"name": "millrace-ca-1", "kind": "Issuer"},
            **spec,
        },
    }


PRE_STOP = """
if ! timeout 120 rabbitmq-upgrade await_online_quorum_plus_one -t 110; then echo "no quorum, going anyway"; fi
timeout 60 rabbitmq-upgrade drain
"""


def _broker() -> Manifest:
    served = container("rabbitmq", lifecycle={"preStop": {"exec": {"command": ["sh", "-c", PRE_STOP]}}})
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": meta("rabbitmq", DATA),
        "spec": {
            "replicas": 3,
            "podManagementPolicy": "Parallel",
            "serviceName": "rabbitmq-nodes",
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "template": pod(
                "rabbitmq",
                served | {"readinessProbe": {"tcpSocket": {"port": 5671}}},
                initContainers=[container("files")],
                terminationGracePeriodSeconds=300,
            ),
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}],
        },
    }


def _service(component: str, namespace: str, **spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(component, namespace),
        "spec": {"selector": labels(component), "ports": [{"port": 443}], **spec},
    }


def _ingress() -> Manifest:
    backend = {"service": {"name": "gateway", "port": {"number": 8443}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": meta("gateway", annotations={"haproxy.org/server-ssl": "true"}),
        "spec": {
            "ingressClassName": "haproxy",
            "tls": [{"hosts": ["millrace.example.com"], "secretName": "gateway-public-tls"}],
            "rules": [{"host": "millrace.example.com", "http": {"paths": [{"path": "/", "backend": backend}]}}],
        },
    }


def _role() -> list[Manifest]:
    """A process that asks the API, and says why."""
    name = {"name": "watcher", "namespace": APP}
    reason = {"millrace.dev/reason": "asks for the endpoints of the broker"}
    subject = {"kind": "ServiceAccount", "name": "watcher", "namespace": APP}
    rules = [{"apiGroups": [""], "resources": ["endpoints"], "verbs": ["get", "list"]}]
    group = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": name},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": name, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": name | {"annotations": reason},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "watcher"},
            "subjects": [subject],
        },
    ]


def stack() -> Stack:
    """The stack."""
    probe = {"readinessProbe": {"httpGet": {"path": "/healthz", "port": 8443, "scheme": "HTTPS"}}}
    limit = {"name": "MILLRACE_TASK_TIME_LIMIT_SECONDS", "value": "90"}
    worker = container("worker")
    job = {"template": pod("migrate", terminationGracePeriodSeconds=None)}
    account, role, binding = _role()
    return {
        "namespace": namespace(APP),
        "namespace-data": namespace(DATA),
        "deny": policy("default-deny", APP),
        "deny-data": policy("default-deny", DATA),
        "allow-broker": policy(
            "rabbitmq",
            DATA,
            podSelector={"matchLabels": labels("rabbitmq")},
            ingress=[{"from": [peer("relay", APP), peer("beat", APP)], "ports": [{"protocol": "TCP", "port": 5671}]}],
            egress=[{"to": [{"ipBlock": {"cidr": "10.0.64.0/24"}}], "ports": [{"port": 35672, "endPort": 35682}]}],
        ),
        "broker": _broker(),
        "broker-budget": budget("rabbitmq", DATA),
        "broker-service": _service("rabbitmq", DATA),
        "gateway": deployment("gateway", pod("gateway", container("gateway", **probe))),
        "gateway-budget": budget("gateway"),
        "gateway-scaler": hpa("gateway"),
        "gateway-service": _service("gateway", APP, type="LoadBalancer"),
        "gateway-ingress": _ingress(),
        "relay": deployment("relay", replicas=3),
        "relay-budget": budget("relay", minAvailable="50%"),
        "worker": deployment(
            "worker-interactive",
            pod("worker-interactive", worker | {"env": [*worker["env"], limit]}, terminationGracePeriodSeconds=120),
        ),
        "worker-budget": budget("worker-interactive"),
        "worker-scaler": scaled_object("worker-interactive"),
        "beat": deployment("beat", replicas=1),
        "watcher": deployment(
            "watcher", pod("watcher", serviceAccountName="watcher", automountServiceAccountToken=True), replicas=1
        ),
        "account": account,
        "role": role,
        "binding": binding,
        "migrate": {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta("migrate"), "spec": job},
        "config": config_map(
            rabbitmq_conf="listeners.tcp = none\nssl_options.verify = verify_none\nmanagement.ssl.port = 15671",
            redis_conf="# plain: port 6379\nport 0\ntls-port 6379\naclfile /run/secrets/millrace/users.acl",
        ),
        "passwords": {"apiVersion": "v1", "kind": "Secret", "metadata": meta("relay-passwords"), "type": "Opaque"},
        "authority": certificate(
            "millrace-ca", isCA=True, usages=["cert sign", "crl sign"], privateKey={"rotationPolicy": "Never"}
        ),
        "certificate": certificate("relay"),
        "database": {
            "apiVersion": "postgresql.cnpg.io/v1",
            "kind": "Cluster",
            "metadata": meta("postgresql", DATA),
            "spec": {
                "instances": 3,
                "imageName": f"registry.example.com/postgresql:17.6@{DIGEST}",
                "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
                "certificates": {"serverTLSSecret": "postgresql-tls", "serverCASecret": "postgresql-tls"},
            },
        },
    }


def changed(name: str, path: str, value: Any) -> list[Manifest]:
    """The stack with one value changed; None removes it. `path` is dotted; numbers are places in lists."""
    manifests = copy.deepcopy(stack())
    *way, last = (int(step) if step.isdecimal() else step for step in path.split("/"))
    place: Any = manifests[name]
    for step in way:
        place = place[step] if isinstance(step, int) else place.setdefault(step, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    return list(manifests.values())


def without(*names: str) -> list[Manifest]:
    """The stack without these."""
    return [manifest for name, manifest in stack().items() if name not in names]


def with_also(*manifests: Manifest) -> list[Manifest]:
    """The stack and these."""
    return [*stack().values(), *manifests]
