"""Rules for servers that must keep their data: the brokers' nodes and their disks."""

from __future__ import annotations

from collections.abc import Iterator

from infra import naming
from infra.policy.manifests import at, items, kind, whole
from infra.policy.model import Context, Finding, Manifest, ResourceRule
from infra.policy.pods import pod

#: One node may fail, and the other two are still a majority.
FEWEST_NODES = 3


def _broker(manifest: Manifest) -> bool:
    found = pod(manifest)
    return bool(found and kind(manifest) == "StatefulSet" and found.component == naming.RABBITMQ)


def _parallel(manifest: Manifest, _: Context) -> Iterator[Finding]:
    policy = at(manifest, "spec", "podManagementPolicy")
    if _broker(manifest) and policy != "Parallel":
        yield Finding(manifest, "spec.podManagementPolicy", policy, "set it to Parallel, before the first deployment")


def _odd(manifest: Manifest, context: Context) -> Iterator[Finding]:
    if not _broker(manifest):
        return
    said = at(manifest, "spec", "replicas")
    replicas = 1 if said is None else whole(said)
    if replicas is None:
        return
    if replicas % 2 == 0:
        yield Finding(manifest, "spec.replicas", replicas, "take one more or one less; an even number is never safer")
    elif context.prod and replicas < FEWEST_NODES:
        yield Finding(manifest, "spec.replicas", replicas, f"take at least {FEWEST_NODES}")


def _retained(manifest: Manifest, context: Context) -> Iterator[Finding]:
    if kind(manifest) != "StatefulSet" or not context.prod or not items(at(manifest, "spec", "volumeClaimTemplates")):
        return
    for when in ("whenDeleted", "whenScaled"):
        value = at(manifest, "spec", "persistentVolumeClaimRetentionPolicy", when)
        if value != "Retain":
            yield Finding(manifest, f"spec.persistentVolumeClaimRetentionPolicy.{when}", value, "set it to Retain")


RULES = (
    ResourceRule(
        name="broker-starts-together",
        description="RabbitMQ's StatefulSet has podManagementPolicy Parallel.",
        reason="After a full stop a node waits for its peers; one by one, the first waits for ever.",
        check=_parallel,
    ),
    ResourceRule(
        name="broker-odd",
        description=f"RabbitMQ has an odd number of nodes, in prod at least {FEWEST_NODES}.",
        reason="Two of four are no majority, so the fourth node adds a way to fail and no way to survive.",
        check=_odd,
    ),
    ResourceRule(
        name="claims-retained",
        description="In prod a StatefulSet's volume claims are retained, whatever happens to it.",
        reason="A StatefulSet is deleted by a renamed field; its disks must not be.",
        check=_retained,
    ),
)
