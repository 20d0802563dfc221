"""Scalers: one owner of the number of replicas, and nothing that its own webhook would refuse later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.policy.manifests import at, kind, mappings, name, namespace, of_kind, resource
from infra.policy.model import Context, Finding, Manifest, ResourceRule, StackRule
from infra.policy.scalers import SCALERS, scalers_of, target

WORKLOADS = ("Deployment", "StatefulSet", "ReplicaSet")
#: Triggers that measure the pods themselves: with no pods there is nothing to measure.
ON_PODS = {"cpu", "memory"}
#: KEDA names its HPA keda-hpa-<name>, and a label may hold 63 characters.
LONGEST_NAME = 54


def _no_replicas(manifests: Sequence[Manifest], _: Context) -> Iterator[Finding]:
    for workload in of_kind(manifests, *WORKLOADS):
        replicas = at(workload, "spec", "replicas")
        for scaler in scalers_of(workload, manifests):
            if replicas is not None:
                advice = f"leave it out; {resource(scaler)} decides, and every deployment would undo it"
                yield Finding(workload, "spec.replicas", replicas, advice)


def _one_scaler(manifests: Sequence[Manifest], _: Context) -> Iterator[Finding]:
    for workload in of_kind(manifests, *WORKLOADS):
        scalers = [resource(scaler) for scaler in scalers_of(workload, manifests)]
        if len(scalers) > 1:
            yield Finding(workload, "scalers", ", ".join(scalers), "leave one; they would undo each other's decisions")


def _target_exists(manifests: Sequence[Manifest], _: Context) -> Iterator[Finding]:
    workloads = {(namespace(manifest), kind(manifest), name(manifest)) for manifest in manifests}
    for scaler in of_kind(manifests, *SCALERS):
        if target(scaler) not in workloads:
            value = " ".join(target(scaler))
            yield Finding(scaler, "spec.scaleTargetRef", value, "name a workload of this stack, in the same namespace")


def _scaled_object(manifest: Manifest, _: Context) -> Iterator[Finding]:
    if kind(manifest) != "ScaledObject":
        return
    triggers = mappings(at(manifest, "spec", "triggers"))
    types = {str(trigger.get("type")) for trigger in triggers}
    if not at(manifest, "spec", "minReplicaCount") and types <= ON_PODS:
        value = at(manifest, "spec", "minReplicaCount")
        advice = "set it to at least 1, or add a trigger that sees work while there are no pods"
        yield Finding(manifest, "spec.minReplicaCount", value, advice)
    if at(manifest, "spec", "fallback"):
        for index, trigger in enumerate(triggers):
            metric = trigger.get("metricType", "AverageValue")
            if str(trigger.get("type")) in ON_PODS or metric != "AverageValue":
                value = f"{trigger.get('type')}, {metric}"
                yield Finding(manifest, f"spec.triggers[{index}]", value, "use AverageValue, or leave the fallback out")
    names = [str(trigger["name"]) for trigger in triggers if trigger.get("name")]
    if len(names) != len(set(names)):
        yield Finding(manifest, "spec.triggers.name", names, "give every trigger a name of its own")
    if len(name(manifest)) > LONGEST_NAME and not at(
        manifest, "spec", "advanced", "horizontalPodAutoscalerConfig", "name"
    ):
        yield Finding(manifest, "metadata.name", name(manifest), f"use at most {LONGEST_NAME} characters")


RULES = (
    StackRule(
        name="scaler-owns-replicas",
        description="A workload under a scaler does not say `replicas`.",
        reason="Every deployment would set the number back: at the peak, to the minimum.",
        check=_no_replicas,
    ),
    StackRule(
        name="one-scaler",
        description="No workload has two scalers.",
        reason="Each undoes what the other decided.",
        check=_one_scaler,
    ),
    StackRule(
        name="scaler-has-target",
        description="Every scaler's target is a workload of the same stack and namespace.",
        reason="A scaler of nothing is silent, and the pool it was meant for never grows.",
        check=_target_exists,
    ),
    ResourceRule(
        name="scaled-object-sound",
        description="A ScaledObject scales to 0 only on what it can see at 0, and falls back only with AverageValue.",
        reason="KEDA's webhook refuses the rest, but only where the webhook runs; without it the pool stays at 0.",
        check=_scaled_object,
    ),
)
