"""Rules that let a container do as little as it can to its node and to itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.policy.manifests import at, items, mappings
from infra.policy.model import Context, Finding, Manifest, ResourceRule
from infra.policy.pods import Container, Pod, pod


def _containers(manifest: Manifest) -> Iterator[tuple[Pod, Container]]:
    if found := pod(manifest):
        yield from ((found, container) for container in found.containers())


def _security(found: Pod, container: Container, *path: str) -> Any:
    """A setting of the container, else its pod's."""
    own = at(container.spec, "securityContext", *path)
    return at(found.spec, "securityContext", *path) if own is None else own


def _non_root(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for found, container in _containers(manifest):
        path = f"{container.path}.securityContext"
        if (value := _security(found, container, "runAsNonRoot")) is not True:
            yield Finding(manifest, f"{path}.runAsNonRoot", value, "set it to true, on the pod or on the container")
        for who in ("runAsUser", "runAsGroup"):
            if _security(found, container, who) == 0:
                yield Finding(manifest, f"{path}.{who}", 0, "take the image's own id (10001), never 0")


def _read_only_root(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for _found, container in _containers(manifest):
        value = at(container.spec, "securityContext", "readOnlyRootFilesystem")
        if value is not True:
            path = f"{container.path}.securityContext.readOnlyRootFilesystem"
            yield Finding(manifest, path, value, "set it to true; mount an emptyDir where it must write")


def _no_escalation(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for _found, container in _containers(manifest):
        path = f"{container.path}.securityContext"
        if (value := at(container.spec, "securityContext", "allowPrivilegeEscalation")) is not False:
            yield Finding(manifest, f"{path}.allowPrivilegeEscalation", value, "set it to false")
        if value := at(container.spec, "securityContext", "privileged"):
            yield Finding(manifest, f"{path}.privileged", value, "leave it out")


def _no_capabilities(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for _found, container in _containers(manifest):
        path = f"{container.path}.securityContext.capabilities"
        drop = items(at(container.spec, "securityContext", "capabilities", "drop"))
        add = items(at(container.spec, "securityContext", "capabilities", "add"))
        if "ALL" not in drop:
            yield Finding(manifest, f"{path}.drop", list(drop), "drop ALL")
        if add:
            yield Finding(manifest, f"{path}.add", list(add), "add none; listen on a port above 1023")


def _seccomp(manifest: Manifest, _: Context) -> Iterator[Finding]:
    for found, container in _containers(manifest):
        if (value := _security(found, container, "seccompProfile", "type")) != "RuntimeDefault":
            path = f"{container.path}.securityContext.seccompProfile.type"
            yield Finding(manifest, path, value, "set it to RuntimeDefault, on the pod or on the container")


def _no_host(manifest: Manifest, _: Context) -> Iterator[Finding]:
    if not (found := pod(manifest)):
        return
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if found.spec.get(field):
            yield Finding(manifest, f"{found.path}.{field}", found.spec[field], "leave it out")
    for volume in mappings(found.spec.get("volumes")):
        if "hostPath" in volume:
            path = f"{found.path}.volumes[{volume.get('name')}].hostPath"
            yield Finding(manifest, path, at(volume, "hostPath", "path"), "use an emptyDir, a claim or a projection")
    for container in found.containers():
        for port in mappings(container.spec.get("ports")):
            if port.get("hostPort"):
                yield Finding(manifest, f"{container.path}.ports.hostPort", port["hostPort"], "use a Service")


RULES = (
    ResourceRule(
        name="non-root",
        description="Every container sets runAsNonRoot and runs as no user or group 0.",
        reason="Root in a container that breaks out is root on the node.",
        check=_non_root,
    ),
    ResourceRule(
        name="read-only-root",
        description="Every container has a read-only root file system.",
        reason="An intruder cannot leave a program behind, and a process cannot fill the node's disk unseen.",
        check=_read_only_root,
    ),
    ResourceRule(
        name="no-privilege-escalation",
        description="No container is privileged or may gain privileges.",
        reason="A set-uid program in an image must not undo runAsNonRoot.",
        check=_no_escalation,
    ),
    ResourceRule(
        name="no-capabilities",
        description="Every container drops ALL capabilities and adds none.",
        reason="Nothing here binds a low port or changes a file's owner.",
        check=_no_capabilities,
    ),
    ResourceRule(
        name="seccomp-runtime-default",
        description="Every container runs under the runtime's seccomp profile.",
        reason="Unconfined is Kubernetes' default, and the kernel's rare system calls are where breakouts come from.",
        check=_seccomp,
    ),
    ResourceRule(
        name="no-host",
        description="No pod uses the host's network, processes, paths or ports.",
        reason="They go around network policies, and around the node's own protection.",
        check=_no_host,
    ),
)
