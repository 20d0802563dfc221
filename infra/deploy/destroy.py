"""Removes a stack, last wave first, in bounded time. Volumes, passwords and what is protected stay unless purged."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from infra import naming
from infra.deploy import generated, plan
from infra.deploy.cluster import Cluster
from infra.deploy.errors import NothingChangedError
from infra.deploy.keeping import in_reverse, sorted_out
from infra.deploy.objects import Ref
from infra.deploy.plan import Action, Step
from infra.deploy.progress import Progress
from infra.deploy.waiting import until_gone
from infra.render.manifests import Manifest
from infra.render.program import Program

#: Of the time that is left, how much one wave may take: what hangs in one must not use up the others'.
SHARE = 0.5
PVC = "PersistentVolumeClaim"


@dataclass(frozen=True)
class Removal:
    """What was removed, what was kept on purpose, and what hangs."""

    steps: tuple[Step, ...]
    kept: tuple[Ref, ...]
    hanging: tuple[str, ...]


@dataclass
class _Work:
    cluster: Cluster
    progress: Progress
    deadline: float
    steps: list[Step] = field(default_factory=list)
    left: list[Ref] = field(default_factory=list)

    def remove(self, name: str, objects: Sequence[tuple[Ref, str]]) -> None:
        """Delete them and wait until they are gone, for a share of the time that is left."""
        if not objects:
            return
        seconds = max(0.0, (self.deadline - time.monotonic()) * SHARE)
        with self.progress.step(name, 10) as note:
            for ref, uid in objects:
                self.cluster.delete(ref, uid)
                self.steps.append(Step(ref, Action.REMOVE))
                self.progress.did(self.steps[-1])
            self.left += until_gone(self.cluster, [ref for ref, _ in objects], seconds, note)


def destroy(cluster: Cluster, program: Program, progress: Progress, *, seconds: float, purge: bool) -> Removal:
    """Remove it. May be interrupted and repeated at any point.

    Raises:
        NothingChangedError: the namespaces are another stack's.
    """
    stack = program.settings.environment
    manifests = program.references()
    _require_ours(cluster, stack)
    work = _Work(cluster, progress, time.monotonic() + seconds)
    found = plan.ours(cluster, stack)
    kept, going = sorted_out(cluster, found, purge=purge)
    _skip_prestop(cluster)
    for wave, members in in_reverse(going, manifests):
        name = "what no render has any more" if wave is None else f"wave {wave}"
        work.remove(f"remove {name}", [(one.ref, one.uid) for one in members])
    if purge:
        work.remove("remove volumes and certificates' Secrets", [*_purged(cluster, manifests)])
    namespaces, staying = _namespaces(cluster, purge=purge)
    work.remove("remove namespaces", namespaces)
    # What hung in its own time may have gone in another's.
    hanging = [line for ref in work.left for line in _held(cluster, ref)]
    return Removal(tuple(work.steps), (*(one.ref for one in kept), *staying), tuple(hanging))


def _require_ours(cluster: Cluster, stack: str) -> None:
    for name in naming.NAMESPACES:
        live = cluster.read(Ref("v1", "Namespace", "", name)) or {"metadata": {}}
        other = live["metadata"].get("labels", {}).get(naming.LABEL_STACK, stack)
        if other != stack:
            raise NothingChangedError(f"namespace {name} belongs to the stack {other}; nothing was changed")


def _skip_prestop(cluster: Cluster) -> None:
    for pod in cluster.listed("v1", "Pod", naming.NAMESPACE_DATA, naming.selector(naming.RABBITMQ)):
        cluster.annotate(
            Ref("v1", "Pod", naming.NAMESPACE_DATA, pod["metadata"]["name"]), {naming.ANNOTATION_SKIP_STOP: "true"}
        )


def _purged(cluster: Cluster, manifests: Iterable[Manifest]) -> Iterator[tuple[Ref, str]]:
    """What other objects made for us and leave behind: claims of StatefulSets, Secrets of certificates."""
    for namespace in naming.NAMESPACES:
        for live in cluster.listed("v1", PVC, namespace):
            yield Ref("v1", PVC, namespace, live["metadata"]["name"]), live["metadata"]["uid"]
    for one in manifests:
        if one.kind == "Certificate" and one.namespace not in naming.NAMESPACES:
            ref = Ref("v1", "Secret", one.namespace, one.body["spec"]["secretName"])
            if live := cluster.read(ref):
                yield ref, live["metadata"]["uid"]


def _namespaces(cluster: Cluster, *, purge: bool) -> tuple[list[tuple[Ref, str]], tuple[Ref, ...]]:
    """Those that can go, and what stays: volumes, generated passwords, and the namespaces that they are in."""
    going: list[tuple[Ref, str]] = []
    staying: list[Ref] = []
    for name in naming.NAMESPACES:
        ref = Ref("v1", "Namespace", "", name)
        live = cluster.read(ref)
        if live is None or naming.LABEL_STACK not in live["metadata"].get("labels", {}):
            continue
        held = (
            [] if purge else [Ref("v1", PVC, name, one["metadata"]["name"]) for one in cluster.listed("v1", PVC, name)]
        )
        if not purge and name == generated.REF.namespace and cluster.read(generated.REF):
            held.append(generated.REF)
        if held:
            staying += [ref, *held]
        else:
            going.append((ref, live["metadata"]["uid"]))
    return going, tuple(staying)


def _held(cluster: Cluster, ref: Ref) -> Iterator[str]:
    """Why an object is still there: who has to let it go."""
    live = cluster.read(ref)
    if live is None:
        return
    metadata = live["metadata"]
    holders = [*metadata.get("finalizers", ()), *live.get("spec", {}).get("finalizers", ())]
    yield f"{ref} is held by {', '.join(holders) or 'its pods, which have their grace period'}"
    for condition in live.get("status", {}).get("conditions") or ():
        if ref.kind == "Namespace" and condition.get("status") == "True":
            yield f"    {condition.get('message', '')}"
    labels = live.get("spec", {}).get("selector", {})
    labels = labels.get("matchLabels") if isinstance(labels, Mapping) else None
    if labels and ref.kind in {"Deployment", "StatefulSet", "Job"}:
        for pod in cluster.listed("v1", "Pod", ref.namespace, labels):
            about = pod["metadata"]
            yield f"    pod {about['name']}: to end by {about.get('deletionTimestamp', '(not told to end yet)')}"


def require_consent(program: Program, *, prod_too: bool) -> None:
    """Nobody destroys prod by the wrong word in STACK=.

    Raises:
        NothingChangedError: it is prod, and this was not said.
    """
    if program.settings.is_prod and not prod_too:
        raise NothingChangedError("this is prod; nothing was changed: say YES_DESTROY_PROD=1 (--yes-destroy-prod)")
