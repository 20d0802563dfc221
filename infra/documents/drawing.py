"""The deployment as a Mermaid drawing: what runs is from the rendered manifests, who talks to whom from the table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from infra import naming
from infra.connections import Connection, Network, Party, Pods

#: Kinds that run pods, and how they look.
_SHAPES = {
    "Deployment": ("(", ")"),
    "StatefulSet": ("[(", ")]"),
    "Cluster": ("[(", ")]"),
    "Job": ("[/", "/]"),
    "CronJob": ("[/", "/]"),
}


def drawing(manifests: Sequence[Mapping[str, Any]], table: Sequence[Connection]) -> str:
    """Mermaid source. Metrics are left out: Prometheus asks nearly everybody, and one would see nothing else."""
    lines = ["flowchart LR"]
    scaled = {_target(one): one for one in manifests if one["kind"] in {"HorizontalPodAutoscaler", "ScaledObject"}}
    for namespace in naming.NAMESPACES:
        lines.append(f'  subgraph {namespace.replace("-", "_")}["namespace {namespace}"]')
        for one in sorted(manifests, key=_component):
            if one["kind"] in _SHAPES and one["metadata"]["namespace"] == namespace:
                left, right = _SHAPES[one["kind"]]
                label = f"{_component(one)}<br/><small>{_how_many(one, scaled)}</small>"
                lines.append(f'    {_id(_component(one))}{left}"{label}"{right}')
        lines.append("  end")
    lines += [f'  {_id(party.name)}{{{{"{party.name}"}}}}' for party in _neighbours(table)]
    arrows: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for arrow in table:
        if arrow.why != "metrics" and arrow.source != arrow.destination:
            arrows[_id(arrow.source.name), _id(arrow.destination.name)] |= set(arrow.ports)
    for (source, destination), ports in sorted(arrows.items()):
        lines.append(f'  {source} -- "{", ".join(map(str, sorted(ports)))}" --> {destination}')
    return "\n".join(lines) + "\n"


def _neighbours(table: Iterable[Connection]) -> list[Party]:
    ends = {end for one in table if one.why != "metrics" for end in (one.source, one.destination)}
    return sorted(
        (end for end in ends if not isinstance(end, Pods)), key=lambda end: (isinstance(end, Network), end.name)
    )


def _component(manifest: Mapping[str, Any]) -> str:
    labels = manifest["metadata"].get("labels", {})
    return str(labels.get(naming.LABEL_NAME, manifest["metadata"]["name"]))


def _target(scaler: Mapping[str, Any]) -> str:
    return str(scaler["spec"]["scaleTargetRef"]["name"])


def _how_many(one: Mapping[str, Any], scaled: Mapping[str, Mapping[str, Any]]) -> str:
    spec = one["spec"]
    if one["kind"] == "CronJob":
        return "at a person's word" if spec.get("suspend") else f"cron {spec['schedule']}"
    if one["kind"] == "Job":
        return "once a version"
    if (scaler := scaled.get(one["metadata"]["name"])) is not None:
        range_ = scaler["spec"]
        least = range_.get("minReplicas", range_.get("minReplicaCount"))
        most = range_.get("maxReplicas", range_.get("maxReplicaCount"))
        return f"{least} to {most}, {'CPU' if scaler['kind'] == 'HorizontalPodAutoscaler' else 'queue length'}"
    return f"{spec.get('replicas', spec.get('instances'))} of them" if spec.get("replicas", 0) != 1 else "one"


def _id(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")
