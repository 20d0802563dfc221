"""Under load from outside a node is lost, and each node is drained.

Everything that the gateway accepted is executed once, a quorum of brokers is always ready, and a request fails only
where that is said below.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from chaos.kubernetes_target import DATA, KubernetesTarget
from chaos.workloads import NAMESPACES
from tests.harness.kubernetes import campaign as campaigns
from tests.harness.kubernetes.campaign import Campaign, Evidence

#: The one database of staging cannot move while it is evicted. Requests fail from its eviction until the gateway's
#: pools have it again; this bounds how long after it is back.
DATABASE_BACK_SECONDS = 60.0
#: What was under way to a pod on a node when its cable was pulled, and what its proxies still send there until the
#: node counts as lost. `make cluster` is told after 16 s; a cluster that is told nothing else waits for 50.
NODE_LOST_SECONDS = float(os.environ.get("MILLRACE_NODE_LOST_SECONDS", "60"))


@pytest.fixture(scope="module")
def database_node(kubernetes: KubernetesTarget) -> str:
    """Where staging's one database is, and must stay: its volume is there."""
    return str(kubernetes.core.read_namespaced_pod("postgresql-0", DATA).spec.node_name)


@pytest.fixture(scope="module")
def campaign(
    kubernetes: KubernetesTarget,
    database_node: str,
    tmp_path_factory: pytest.TempPathFactory,
    say: Callable[[str], None],
) -> Campaign:
    """All of it, once."""
    nodes = [node.metadata.name for node in kubernetes.core.list_node().items]
    lost = next(node for node in nodes if node != database_node)
    # Only on a cluster of our own can a cable be pulled.
    losses = [("lose-node", lost)] if kubernetes.settings.get("node_link_command") else []
    went = campaigns.run(tmp_path_factory.mktemp("nodes"), [*losses, *(("drain", node) for node in nodes)])
    for line in went.summary():
        say(line)
    return went


def test_every_drill_happened_and_healed(campaign: Campaign) -> None:
    """Each says when it began, that it was confirmed, and that all was well again."""
    campaign.assert_healed()


def test_nothing_is_lost_and_nothing_happens_twice(campaign: Campaign) -> None:
    """The ledger against the database, event by event and sum by sum."""
    campaign.assert_exact()


def test_every_window_had_load(campaign: Campaign) -> None:
    """A drill that met few events would have shown little."""
    campaign.assert_load_in_every_window()


def test_a_quorum_of_brokers_was_always_ready(campaign: Campaign) -> None:
    """Two of three, asked every second during drains."""
    watched = [each.said["fewest_ready_brokers"] for each in campaign.drills if each.drill.startswith("drain")]
    assert len(watched) == 3
    assert min(watched) >= 2


def test_budgets_were_asked(campaign: Campaign) -> None:
    """A drain evicts: it does not delete."""
    drains = [each for each in campaign.drills if each.drill.startswith("drain")]
    assert len(drains) == 3
    assert all(each.said["evicted"] for each in drains)


def test_requests_fail_only_while_the_database_moves_or_a_node_is_lost(campaign: Campaign, database_node: str) -> None:
    """Each failed request was due in a time that is named, bounded and ended."""
    windows = [_window(each, database_node) for each in campaign.drills]
    campaign.assert_refused_only_in(window for window in windows if window is not None)


def _window(drill: Evidence, database_node: str) -> tuple[float, float] | None:
    if drill.drill == f"drain {database_node}":
        return drill.began_at - 1, drill.ended_at + DATABASE_BACK_SECONDS
    if drill.drill.startswith("lose-node"):
        return drill.began_at - 11, drill.began_at + NODE_LOST_SECONDS
    return None


def test_pods_run_everywhere_afterwards(kubernetes: KubernetesTarget, campaign: Campaign) -> None:
    """Nothing is left cordoned, pending or crashing."""
    assert campaign.drills
    assert not [node.metadata.name for node in kubernetes.core.list_node().items if node.spec.unschedulable]
    for namespace in NAMESPACES:
        for pod in kubernetes.core.list_namespaced_pod(namespace).items:
            assert pod.status.phase in {"Running", "Succeeded"}, f"{pod.metadata.name}: {pod.status.phase}"
