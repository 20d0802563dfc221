"""What a removal keeps, and in which order the rest goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from infra.deploy.cluster import Cluster
from infra.deploy.objects import Found, Ref
from infra.deploy.plan import KEPT_KINDS
from infra.render.manifests import Manifest

#: Runs pods by its operator. Where one is kept, it keeps what it lives on: policies, certificates, Secrets, backups.
KEEPS_RUNNING = frozenset({"Cluster"})
#: What goes even then.
RUNNING = frozenset(
    {
        "CronJob",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Ingress",
        "Job",
        "PodDisruptionBudget",
        "ScaledObject",
        "StatefulSet",
    }
)


def sorted_out(cluster: Cluster, found: Iterable[Found], *, purge: bool) -> tuple[list[Found], list[Found]]:
    """What is kept, and what goes. Volumes and namespaces have their own turn, afterwards."""
    objects = [one for one in found if one.ref.kind not in KEPT_KINDS]
    kept = [one for one in objects if one.protected and not purge and not _leaves_its_volumes(cluster, one)]
    going = [one for one in objects if one not in kept]
    if any(one.ref.kind in KEEPS_RUNNING for one in kept):
        kept += [one for one in going if one.ref.kind not in RUNNING]
        going = [one for one in going if one.ref.kind in RUNNING]
    return kept, going


def _leaves_its_volumes(cluster: Cluster, one: Found) -> bool:
    """A StatefulSet can come back to its volumes; a database's cluster takes them with it."""
    live = cluster.read(one.ref) if one.ref.kind == "StatefulSet" else None
    policy = (live or {}).get("spec", {}).get("persistentVolumeClaimRetentionPolicy", {})
    return live is not None and policy.get("whenDeleted", "Retain") == "Retain"


def in_reverse(found: Iterable[Found], manifests: Iterable[Manifest]) -> Iterator[tuple[int | None, tuple[Found, ...]]]:
    """The last wave first; before it what no render knows any more, which cannot be waited for by anything."""
    waves = {Ref.of(one.body).identity: one.wave for one in manifests}
    by_wave: dict[int | None, list[Found]] = {}
    for one in sorted(found, key=lambda one: one.ref):
        by_wave.setdefault(waves.get(one.ref.identity), []).append(one)
    for wave in sorted(by_wave, key=lambda wave: (wave is not None, -(wave or 0))):
        yield wave, tuple(by_wave[wave])
