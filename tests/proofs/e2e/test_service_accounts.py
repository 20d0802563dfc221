"""No pod may ask the API server for anything, nor could it: it has no token, and only the Secrets of its own role."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from infra import naming
from infra.settings.stack import Stack
from tests.harness.kubernetes.access_reviews import account, granted, review, reviewed
from tests.harness.kubernetes.ends import LABEL_PROBE, lasting
from tests.harness.kubernetes.kubectl import Kubectl

#: Verb, group, resource, subresource: what would let a pod that is taken over go on to the next.
FORBIDDEN = (
    *((verb, "", "secrets", "") for verb in ("get", "list", "watch", "create", "update")),
    *(("create", "", "pods", part) for part in ("", "exec", "attach", "portforward", "eviction")),
    ("get", "", "pods", "exec"),
    ("update", "", "pods", "ephemeralcontainers"),
    *((verb, "", "pods", "") for verb in ("list", "delete")),
    ("get", "", "configmaps", ""),
    ("create", "", "serviceaccounts", "token"),
    ("get", "", "nodes", "proxy"),
    ("impersonate", "", "users", ""),
    ("patch", "apps", "deployments", ""),
    ("delete", "networking.k8s.io", "networkpolicies", ""),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings", ""),
    ("*", "*", "*", ""),
)
#: Nowhere is everywhere: a ClusterRoleBinding counts there.
NAMESPACES = ("", *naming.NAMESPACES, "kube-system")
#: Where Kubernetes would put a token.
TOKEN_FOLDER = "/var/run/secrets/kubernetes.io"


def test_service_accounts_may_do_nothing(kubectl: Kubectl) -> None:
    """Of each account of both namespaces, the default ones included; one who may all is seen to be one."""
    accounts = [
        (namespace, found["metadata"]["name"])
        for namespace in naming.NAMESPACES
        for found in kubectl.get("serviceaccounts", namespace)
    ]
    assert len(accounts) > len(naming.NAMESPACES)
    asked = [
        review(user, groups, namespace, action)
        for user, groups in (*(account(*one) for one in accounts), ("nobody", ["system:masters"]))
        for namespace, action in itertools.product(NAMESPACES, FORBIDDEN)
    ]
    answers = list(reviewed(kubectl, asked))
    assert len(answers) == len(asked)
    may = {
        (answer["spec"]["user"], json.dumps(answer["spec"]["resourceAttributes"]))
        for answer in answers
        if granted(answer)
    }
    masters = {one for one in may if one[0] == "nobody"}
    assert len(masters) == len(NAMESPACES) * len(FORBIDDEN), "the reviews do not see who may everything"
    assert not may - masters


def _specs(kubectl: Kubectl) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Component, name and specification of every pod, and of those that a CronJob will make."""
    for namespace in naming.NAMESPACES:
        for pod in kubectl.get("pods", namespace, f"!{LABEL_PROBE}"):
            metadata = pod["metadata"]
            yield metadata["labels"][naming.LABEL_NAME], metadata["name"], pod["spec"]
        for job in kubectl.get("cronjobs", namespace):
            template = job["spec"]["jobTemplate"]["spec"]["template"]
            yield (
                template["metadata"]["labels"][naming.LABEL_NAME],
                f"CronJob {job['metadata']['name']}",
                template["spec"],
            )


def test_pods_have_no_token(kubectl: Kubectl) -> None:
    """Not by their specification, nor by a volume."""
    for _, name, spec in _specs(kubectl):
        assert spec.get("automountServiceAccountToken") is False, name
        sources = [
            source for volume in spec.get("volumes", ()) for source in volume.get("projected", {}).get("sources", ())
        ]
        assert not any("serviceAccountToken" in source for source in sources), name


def test_there_is_no_token_in_a_running_pod(kubectl: Kubectl) -> None:
    """Nothing is where it would be."""

    def fault(pod: Mapping[str, Any]) -> str | None:
        metadata = pod["metadata"]
        container = pod["spec"]["containers"][0]["name"]
        script = f"test -d /proc/self && ! test -e {TOKEN_FOLDER} && echo none"
        code, said = kubectl.execute(metadata["namespace"], metadata["name"], container, "sh", "-c", script)
        if (code, said.strip()) == (0, "none"):
            return None
        names = [one["metadata"]["name"] for one in kubectl.get("pods", metadata["namespace"]) if lasting(one)]
        # A scaler or a roll-out may have ended it meanwhile.
        return f"{metadata['name']}: {code} {said}" if metadata["name"] in names else None

    pods = [
        pod
        for namespace in naming.NAMESPACES
        for pod in kubectl.get("pods", namespace, f"!{LABEL_PROBE}")
        if lasting(pod)
    ]
    assert pods
    with ThreadPoolExecutor(4) as pool:
        assert not [found for found in pool.map(fault, pods) if found]


def own_secrets(stack: Stack) -> dict[str, set[str]]:
    """Whose Secrets each kind of pod mounts, said a second time, by hand."""
    tls, passwords, authority = naming.tls_secret, naming.passwords_secret, naming.tls_secret(naming.AUTHORITY)
    served = (naming.GATEWAY, naming.RELAY, naming.ARCHIVER, naming.BEAT, naming.FLOWER)
    workers = [naming.worker(pool.name) for pool in stack.workloads.pools]
    servers = (naming.RABBITMQ, naming.REDIS, naming.POSTGRESQL, naming.PGBOUNCER, naming.OBJECT_STORE)
    return {
        **{name: {tls(name), authority, passwords(name)} for name in served},
        **{name: {tls(name), authority, passwords("worker")} for name in workers},
        **{name: {authority, passwords("owner")} for name in (naming.MIGRATE, naming.RETENTION)},
        **{name: {authority, passwords(name)} for name in (naming.TOPOLOGY, naming.OPERATOR)},
        **{name: {tls(name), authority, f"{name}-secrets"} for name in servers},
        naming.POSTGRESQL_BACKUP: {authority, f"{naming.POSTGRESQL_BACKUP}-secrets"},
    }


def test_pods_have_the_secrets_of_their_role_only(kubectl: Kubectl, stack: Stack) -> None:
    """As volumes; none comes by environment variable; and of the authority's nobody has the key."""
    own = own_secrets(stack)
    seen = set()
    for component, name, spec in _specs(kubectl):
        seen.add(component)
        mounted = dict(_mounted(spec))
        assert set(mounted) <= own[component], name
        assert mounted[naming.tls_secret(naming.AUTHORITY)] == ["ca.crt"], name
        # Whom to trust stands with the authority alone: beside a certificate cert-manager writes who signed it.
        assert mounted.get(naming.tls_secret(component), ["tls.crt", "tls.key"]) == ["tls.crt", "tls.key"], name
        assert "secretRef" not in json.dumps(spec), name
        assert "secretKeyRef" not in json.dumps(spec), name
    assert seen == set(own)


def _mounted(spec: Mapping[str, Any]) -> Iterable[tuple[str, list[str] | None]]:
    """Names of Secrets, and which of their keys; none named is all."""
    for volume in spec.get("volumes", ()):
        direct = [volume["secret"] | {"name": volume["secret"]["secretName"]}] if "secret" in volume else []
        projected = [one["secret"] for one in volume.get("projected", {}).get("sources", ()) if "secret" in one]
        for secret in (*direct, *projected):
            items = secret.get("items")
            yield secret["name"], [item["key"] for item in items] if items else None


def test_a_mounted_key_would_be_noticed() -> None:
    """The function above sees Secrets in both kinds of volumes, and the keys that are taken."""
    spec = {"volumes": [
        {"secret": {"secretName": "a"}},
        {"projected": {"sources": [{"secret": {"name": "b", "items": [{"key": "tls.key"}]}}, {"configMap": {}}]}},
    ]}  # fmt: skip
    assert dict(_mounted(spec)) == {"a": None, "b": ["tls.key"]}


@pytest.mark.parametrize("namespace", naming.NAMESPACES)
def test_accounts_give_no_token_by_default(kubectl: Kubectl, namespace: str) -> None:
    """A pod that somebody adds and that says nothing about it gets none from an account of ours either."""
    for found in kubectl.get("serviceaccounts", namespace, f"{naming.LABEL_PART_OF}={naming.PART_OF}"):
        assert found.get("automountServiceAccountToken") is False, found["metadata"]["name"]
