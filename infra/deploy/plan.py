"""What a deployment would do, found out before anything is changed: the API server itself is asked, by dry runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from infra import naming
from infra.deploy.cluster import Cluster
from infra.deploy.differences import Difference, differences
from infra.deploy.errors import NothingChangedError, RefusedError
from infra.deploy.objects import Found, Ref, content, stored_form
from infra.deploy.readiness import State, readiness
from infra.render.manifests import Manifest


class Action(StrEnum):
    """What happens to an object."""

    CREATE = "create"
    CHANGE = "change"
    #: A Job that failed: it is removed, and made anew.
    REPLACE = "replace"
    PRUNE = "prune"
    #: By `destroy`.
    REMOVE = "remove"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Step:
    """One object and what happens to it."""

    ref: Ref
    action: Action
    differences: tuple[Difference, ...] = ()


#: Never pruned, unless asked for: with them go data.
KEPT_KINDS = frozenset({"Namespace", "PersistentVolumeClaim"})
#: Who serves a group, and how a cluster comes to have it.
OPERATORS = {
    "cert-manager.io": "cert-manager (its chart `cert-manager`, crds.enabled=true; cert-manager.io/docs/installation)",
    "keda.sh": "KEDA (its chart `keda`; keda.sh/docs/latest/deploy), or choose hpa-cpu or fixed for the pools",
    "postgresql.cnpg.io": "CloudNativePG (its chart `cloudnative-pg`; cloudnative-pg.io), or database kind single",
    "barmancloud.cnpg.io": "CloudNativePG's Barman Cloud plugin (its chart `plugin-barman-cloud`)",
    "monitoring.coreos.com": "prometheus-operator (its chart `kube-prometheus-stack`), or leave out "
    "cluster.monitoringNamespace",
}
#: Refusals that a later moment may take back: a webhook that wants to see an object of an earlier wave.
_LATER = "admission webhook"


def require_kinds(cluster: Cluster, manifests: Sequence[Manifest]) -> None:
    """Every kind must be served.

    Raises:
        NothingChangedError: names each that is missing, and who brings it.
    """
    wanted = sorted({(one.body["apiVersion"], one.kind) for one in manifests})
    lines = [
        f"  {kind} ({version}) is missing: install {OPERATORS.get(version.rpartition('/')[0], 'its CRD')}"
        for version, kind in wanted
        if not cluster.serves(version, kind)
    ]
    if lines:
        raise NothingChangedError("\n".join(["the cluster does not have every kind; nothing was changed:", *lines]))


def require_place(cluster: Cluster, manifests: Sequence[Manifest], stack: str) -> None:
    """The namespaces must be ours to make, or be there.

    Raises:
        NothingChangedError: another stack has them, they are being removed, or a neighbour's namespace is missing.
    """
    made = {one.name for one in manifests if one.kind == "Namespace"}
    lines = []
    for name in sorted(made | {one.namespace for one in manifests if one.namespace}):
        live = cluster.read(Ref("v1", "Namespace", "", name))
        if live is None:
            if name not in made:
                lines.append(f"  namespace {name} does not exist, and is not ours to make: is its owner installed?")
            continue
        other = live["metadata"].get("labels", {}).get(naming.LABEL_STACK, stack)
        if other != stack:
            lines.append(f"  namespace {name} belongs to the stack {other}: a cluster holds one stack")
        if "deletionTimestamp" in live["metadata"]:
            lines.append(f"  namespace {name} is being removed: wait until it is gone")
    if lines:
        raise NothingChangedError("\n".join(["this is no place for it; nothing was changed:", *lines]))


def steps(cluster: Cluster, manifests: Iterable[Manifest], *, force: bool = False) -> tuple[Step, ...]:
    """What an apply of each would do.

    Raises:
        NothingChangedError: what the API server would refuse, all of it.
    """
    found: list[Step] = []
    refusals: list[str] = []
    for manifest in manifests:
        body = stored_form(manifest)
        try:
            found.append(_step(cluster, body, force=force))
        except RefusedError as error:
            refusals += explained(error)
    if refusals:
        raise NothingChangedError("\n".join(["the API server refuses; nothing was changed:", *refusals]))
    return tuple(found)


def _step(cluster: Cluster, body: dict[str, Any], *, force: bool) -> Step:
    ref = Ref.of(body)
    live = cluster.read(ref)
    if live is not None and failed_job(live):
        return Step(ref, Action.REPLACE)
    try:
        after = cluster.apply(body, dry_run=True, force=force)
    except RefusedError as error:
        # Its namespace is made first, when it is for real.
        if live is None and (error.status == HTTPStatus.NOT_FOUND or _LATER in error.message):
            return Step(ref, Action.CREATE)
        if _LATER in error.message:
            return Step(ref, Action.CHANGE)
        raise
    return compared(live, after)


def compared(live: dict[str, Any] | None, after: dict[str, Any]) -> Step:
    """What was, or would be, done to an object."""
    if live is None:
        return Step(Ref.of(after), Action.CREATE)
    if content(live) == content(after):
        return Step(Ref.of(after), Action.UNCHANGED)
    return Step(Ref.of(after), Action.CHANGE, differences(live, after))


def failed_job(live: dict[str, Any]) -> bool:
    """A Job that failed stays failed; only another one can succeed."""
    return bool(live["kind"] == "Job" and readiness(live).state is State.FAILED)


def ours(cluster: Cluster, stack: str) -> tuple[Found, ...]:
    """What this stack's deployments have applied: labelled and applied by us, and no other object's child."""
    labels = {naming.LABEL_MANAGED_BY: naming.MANAGER, naming.LABEL_STACK: stack}
    return tuple(one for one in cluster.labelled(labels) if not one.owned and naming.MANAGER in one.appliers)


def surplus(found: Iterable[Found], manifests: Iterable[Manifest], *, protected: bool = False) -> tuple[Found, ...]:
    """What was applied once and is not in the render any more; kept: what holds data, unless asked for."""
    wanted = {Ref.of(one.body).identity for one in manifests}
    gone = [one for one in found if one.ref.identity not in wanted and not one.deleting]
    return tuple(one for one in gone if protected or not (one.protected or one.ref.kind in KEPT_KINDS))


def explained(error: RefusedError) -> Iterator[str]:
    """A refusal and the way out, in lines."""
    if error.conflicts:
        for cause in error.conflicts:
            owner = cause.message.removeprefix("conflict with ").split(" using ")[0].split(" with subresource ")[0]
            yield f"  {error.what}: {cause.field} belongs to {owner}"
        yield "    let it go there, leave it out here, or take it with FORCE=1 (--force)"
        return
    yield f"  {error.what}: {error.message}"
    if "immutable" in error.message or "are forbidden" in error.message:
        yield "    Kubernetes never changes these fields in place: put back what was, or delete the object yourself"
        yield "    (kubectl delete --cascade=orphan keeps its pods; volumes of a StatefulSet stay) and deploy again"
