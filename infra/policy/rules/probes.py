"""Probes: each answers one question, and none of them asks the broker."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from infra.policy.manifests import LONG_RUNNING, at, items, kind, mapping, namespace, of_kind, resource
from infra.policy.model import Context, Finding, Manifest, ResourceRule, StackRule
from infra.policy.pods import pod

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
_INSPECT = re.compile(r"\binspect\b.*\bping\b|\bcelery\b.*\bstatus\b")


def _present(manifest: Manifest, _: Context) -> Iterator[Finding]:
    if not (found := pod(manifest)) or kind(manifest) not in LONG_RUNNING:
        return
    for container in found.containers():
        if not container.init and not any(container.spec.get(probe) for probe in ("livenessProbe", "readinessProbe")):
            advice = "add a readinessProbe where it serves, a livenessProbe where it can hang"
            yield Finding(manifest, f"{container.path}.livenessProbe", None, advice)


def _no_inspect(manifest: Manifest, _: Context) -> Iterator[Finding]:
    if not (found := pod(manifest)):
        return
    for container in found.containers():
        for probe in PROBES:
            command = " ".join(str(word) for word in items(at(container.spec, probe, "exec", "command")))
            if _INSPECT.search(command):
                advice = "look at the heartbeat file instead: python -S -m app.telemetry.probe"
                yield Finding(manifest, f"{container.path}.{probe}", command, advice)


def _tls(manifest: Manifest, _: Context) -> Iterator[Finding]:
    if not (found := pod(manifest)):
        return
    for container in found.containers():
        for probe in PROBES:
            asked = mapping(at(container.spec, probe, "httpGet"))
            if asked and asked.get("scheme") != "HTTPS":
                path = f"{container.path}.{probe}.httpGet.scheme"
                yield Finding(
                    manifest, path, asked.get("scheme"), "set it to HTTPS; no container listens in plain text"
                )


def _ready(manifests: Sequence[Manifest], _: Context) -> Iterator[Finding]:
    for manifest in of_kind(manifests, *LONG_RUNNING):
        found = pod(manifest)
        if not found or any(container.spec.get("readinessProbe") for container in found.containers()):
            continue
        for service in of_kind(manifests, "Service"):
            selector = mapping(at(service, "spec", "selector"))
            here = namespace(service) == namespace(manifest)
            if here and selector and selector.items() <= found.labels.items():
                advice = f"add one; {resource(service)} sends to the pod as soon as it has started"
                yield Finding(manifest, f"{found.path}.containers.readinessProbe", None, advice)


RULES = (
    ResourceRule(
        name="probes-present",
        description="Every long-running container has a liveness or a readiness probe.",
        reason="A process that hangs looks alive to Kubernetes until somebody asks it.",
        check=_present,
    ),
    StackRule(
        name="ready-before-traffic",
        description="A workload behind a Service has a readiness probe.",
        reason="Without one a pod gets requests before it listens, at every deployment.",
        check=_ready,
    ),
    ResourceRule(
        name="probes-leave-the-broker-alone",
        description="No probe runs `celery inspect ping` or `celery status`.",
        reason="They load the application, ask through the broker, and restart every healthy worker when it is away.",
        check=_no_inspect,
    ),
    ResourceRule(
        name="probes-over-tls",
        description="HTTP probes use HTTPS.",
        reason="A probe that works in plain text is a port that answers in plain text.",
        check=_tls,
    ),
)
