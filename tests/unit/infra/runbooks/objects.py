"""Whether the objects that a kubectl command names are in a rendered stack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra import naming
from tests.unit.infra.stacks import Rendered

#: As kubectl takes them; None: made by somebody else than us, so no render has them.
KINDS: Mapping[str, str | None] = {
    "pod": None, "pods": None, "events": None, "certificaterequests": None, "backups": None, "jobs": "Job",
    "cronjob": "CronJob", "deployment": "Deployment", "deployments": "Deployment", "hpa": "HorizontalPodAutoscaler",
    "pvc": "PersistentVolumeClaim", "podmonitors": "PodMonitor", "certificates": "Certificate",
    "issuers": "Issuer", "scaledobjects": "ScaledObject", "scheduledbackups": "ScheduledBackup",
    "clusters.postgresql.cnpg.io": "Cluster", "statefulset": "StatefulSet", "configmap": "ConfigMap",
}  # fmt: skip
#: Options that take the following word.
_WITH_VALUE = frozenset({"-n", "-l", "-c", "-o", "--patch", "--replicas"})
_VERBS = frozenset(
    {"get", "describe", "logs", "exec", "delete", "rollout", "create", "scale", "top", "patch", "port-forward"}
)


#: The container of its pods, which no render has.
_OF_CLOUDNATIVE_PG = "postgres"


@dataclass(frozen=True)
class Objects:
    """Everything that any stack of ours has."""

    stacks: tuple[Rendered, ...]

    def problems(self, words: Sequence[str]) -> Iterator[str]:
        """The names in the command that no stack has."""
        own = list(words[: words.index("--")] if "--" in words else words)
        options, plain = _split(own)
        verb, *rest = plain
        namespace = options.get("-n", "")
        if verb not in _VERBS:
            yield f"kubectl {verb}: nobody has said how to check it"
        if namespace and namespace not in self._namespaces():
            yield f"-n {namespace}: no such namespace"
        if "-l" in options and namespace in naming.NAMESPACES:
            yield from self._label(options["-l"], namespace)
        if verb == "rollout":
            rest = rest[1:]
        if verb == "create":
            rest = [options["--from"]]
        if not rest:
            return
        if verb in {"get", "describe", "delete", "patch", "top"} or (verb == "scale" and "/" not in rest[0]):
            kinds, *names = rest
            yield from (f"{kind}: unknown kind" for kind in kinds.split(",") if kind not in KINDS)
            rest = [f"{kinds}/{name}" for name in names]
        yield from self._named([one if "/" in one else f"pod/{one}" for one in rest], namespace, options.get("-c"))

    def pod_of(self, words: Sequence[str]) -> str:
        """The pod or workload that `exec` enters."""
        _, plain = _split(list(words[1 : words.index("--")]))
        return plain[1].rpartition("/")[2]

    def _namespaces(self) -> set[str]:
        found = set(naming.NAMESPACES)
        for one in self.stacks:
            cluster = one.stack.cluster
            found |= {cluster.cert_manager_namespace, cluster.keda_namespace or "", cluster.monitoring_namespace or ""}
        return found

    def _bodies(self) -> Iterable[Mapping[str, Any]]:
        return (body for one in self.stacks for body in one.bodies())

    def _label(self, selector: str, namespace: str) -> Iterator[str]:
        name, _, value = selector.partition("=")
        for body in self._bodies():
            metadata = body["metadata"]
            if metadata.get("namespace") == namespace and metadata.get("labels", {}).get(name) == value:
                return
        yield f"-l {selector}: nothing in {namespace} carries it"

    def _named(self, references: Iterable[str], namespace: str, container: str | None) -> Iterator[str]:
        for reference in references:
            kind, _, name = reference.partition("/")
            if name.isupper():
                continue
            workload = name.rpartition("-")[0] if kind == "pod" else name
            own = "Cluster" if container == _OF_CLOUDNATIVE_PG else "StatefulSet"
            wanted = own if kind == "pod" else KINDS.get(kind)
            found = [body for body in self._bodies() if _identity(body) == (wanted, workload, namespace)]
            if not found:
                yield f"{reference}: no stack has it in {namespace}"
            elif kind == "pod" and int(name.rpartition("-")[2]) not in range(*_numbers(found)):
                yield f"{reference}: there are not so many"
            elif container and wanted != "Cluster" and not any(container in _containers(body) for body in found):
                yield f"-c {container}: {reference} has no such container"


def _numbers(found: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """The numbers in the names of their pods: of a StatefulSet from 0, of CloudNativePG from 1 on."""
    if instances := [body["spec"]["instances"] for body in found if body["kind"] == "Cluster"]:
        return 1, max(instances) + 1
    return 0, max(body["spec"]["replicas"] for body in found)


def _identity(body: Mapping[str, Any]) -> tuple[str, str, str | None]:
    metadata = body["metadata"]
    return body["kind"], metadata["name"], metadata.get("namespace")


def _containers(body: Mapping[str, Any]) -> list[str]:
    return [one["name"] for one in body["spec"]["template"]["spec"]["containers"]]


def _split(words: list[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    plain: list[str] = []
    while words:
        word = words.pop(0)
        if word in _WITH_VALUE:
            options[word] = words.pop(0)
        elif word.startswith("-"):
            name, _, value = word.partition("=")
            options[name] = value
        else:
            plain.append(word)
    return options, plain
