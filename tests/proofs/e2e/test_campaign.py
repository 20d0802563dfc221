"""Under load from outside nodes are lost and drained, the application is rolled, and brokers have all their troubles.

They are restarted one by one, killed, stopped where they stand, parted from the others. Everything that the gateway
accepted is executed once, and a request fails only where that is said below.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable

import pytest
from kubernetes import client

from chaos.kubernetes_target import APP, DATA, KubernetesTarget
from loadtests.failures import FAILURES_FILE
from tests.proofs.e2e.harness import campaign as campaigns
from tests.proofs.e2e.harness.campaign import Campaign, Evidence
from tests.proofs.e2e.harness.replicas import Replicas

#: Events a second: what two cores carry with the whole cluster on them while it is being taken apart.
RATE, SINGLES = 300.0, 10.0
#: Longer than the drills take together; MILLRACE_CAMPAIGN_SECONDS for a slower machine.
SECONDS = float(os.environ.get("MILLRACE_CAMPAIGN_SECONDS", "740"))
EVENTS = 200_000
#: Pods of a scaled workload at the least.
MINIMUM = 2
#: The one database of staging cannot move while it is evicted. Requests fail from its eviction until the gateway's
#: pools have it again; this bounds how long after it is back.
DATABASE_BACK_SECONDS = 15.0
#: What was under way to a pod on a node when its cable was pulled, and what its proxies still send there until the
#: node counts as lost. `make cluster` is told after 16 s; a cluster that is told nothing else waits for 50.
NODE_LOST_SECONDS = float(os.environ.get("MILLRACE_NODE_LOST_SECONDS", "40"))


@pytest.fixture(scope="module")
def database_node(kubernetes: KubernetesTarget) -> str:
    """Where staging's one database is, and must stay: its volume is there."""
    return str(kubernetes.core.read_namespaced_pod("postgresql-0", DATA).spec.node_name)


@pytest.fixture(scope="module")
def campaign(
    kubernetes: KubernetesTarget,
    database_node: str,
    replicas: Replicas,
    tmp_path_factory: pytest.TempPathFactory,
    say: Callable[[str], None],
) -> Campaign:
    """All of it, once; the replicas are watched from here on, if they were not before."""
    assert replicas.now(), "nothing is scaled"
    nodes = [node.metadata.name for node in kubernetes.core.list_node().items]
    lost = next(node for node in nodes if node != database_node)
    drills: list[tuple[str, ...]] = [
        *(("lose-node", lost) for _ in range(1) if kubernetes.settings.get("node_link_command")),
        *(("drain", node) for node in nodes),
        ("restart-brokers",),
        ("restart-application",),
        ("kill-broker", "rabbitmq-1"),
        # Longer than Erlang waits for a silent neighbour.
        ("pause-broker", "rabbitmq-2", "--seconds", "70"),
        ("partition-broker", "rabbitmq-0"),
    ]
    folder = tmp_path_factory.mktemp("campaign")
    went = campaigns.run(folder, tuple(drills), seconds=SECONDS, rate=RATE, singles=SINGLES)
    numbers = ("accepted", "executed", "lost", "duplicated_effects", "gateway_errors")
    say("campaign: " + ", ".join(f"{went.verdict[name]} {name}" for name in numbers if name in went.verdict))
    failures = _failures(went)
    for each in went.drills:
        failed = sum(each.began_at <= at <= each.ended_at for at, _ in failures)
        say(f"{each.drill}: well again after {each.ended_at - each.began_at:.0f} s, {failed} failed requests meanwhile")
    return went


def _failures(campaign: Campaign) -> list[tuple[float, str]]:
    """Each request that was not answered 202: when it was due (Unix seconds), and what came instead."""
    lines = (campaign.folder / FAILURES_FILE).read_text().splitlines()
    assert len(lines) >= campaign.verdict["gateway_errors"]
    failed = [json.loads(line) for line in lines]
    return [(each["intended_at"], f"{each['status']} {(each['error'] or '').strip()[:80]}") for each in failed]


def test_every_drill_happened_and_healed(campaign: Campaign) -> None:
    """Each says when it began, that it was confirmed, and that all was well again."""
    for each in campaign.drills:
        assert each.exit_code == 0, f"{each.drill}: {each.said.get('error')}"
        assert each.said["injected_at"] <= each.said["confirmed_at"] <= each.said["recovered_at"]


def test_nothing_is_lost_and_nothing_happens_twice(campaign: Campaign) -> None:
    """The ledger against the database, event by event and sum by sum."""
    seen = {name: campaign.verdict[name] for name in ("lost", "duplicated_effects", "dead_lettered")}
    assert seen == {"lost": 0, "duplicated_effects": 0, "dead_lettered": 0}
    assert campaign.verdict["accepted"] == campaign.verdict["executed"]


def test_it_was_a_load(campaign: Campaign) -> None:
    """Few events would prove little."""
    assert campaign.verdict["accepted"] >= EVENTS


def test_a_quorum_of_brokers_was_always_ready(campaign: Campaign) -> None:
    """Two of three, asked every second during drains and restarts."""
    watched = [each for each in campaign.drills if "fewest_ready_brokers" in each.said]
    assert len(watched) >= 4
    assert min(each.said["fewest_ready_brokers"] for each in watched) >= 2


def test_budgets_were_asked(campaign: Campaign) -> None:
    """A drain evicts: it does not delete."""
    drains = [each for each in campaign.drills if each.drill.startswith("drain")]
    assert len(drains) == 3
    assert all(each.said["evicted"] for each in drains)


def test_requests_fail_only_while_the_database_moves_or_a_node_is_lost(campaign: Campaign, database_node: str) -> None:
    """Each failed request began in a time that is named, bounded and ended."""
    windows = [_window(each, database_node) for each in campaign.drills]
    allowed = [window for window in windows if window is not None]
    failed = [(at, how) for at, how in _failures(campaign) if not any(begin <= at <= end for begin, end in allowed)]
    assert not failed, f"{len(failed)} from {failed[0][0]}: {Counter(how for _, how in failed)}; allowed: {allowed}"


def _window(drill: Evidence, database_node: str) -> tuple[float, float] | None:
    if drill.drill == f"drain {database_node}":
        return drill.began_at - 1, drill.ended_at + DATABASE_BACK_SECONDS
    if drill.drill.startswith("lose-node"):
        return drill.began_at - 11, drill.began_at + NODE_LOST_SECONDS
    return None


def test_workers_went_while_tasks_ran(campaign: Campaign, replicas: Replicas) -> None:
    """The burst before had brought workers that this load does not need: KEDA takes them away under it."""
    most = replicas.most("worker-interactive")
    assert most > MINIMUM, "nobody came before: test_scaling runs first"
    seen = replicas.between(campaign.verdict["started_at"], campaign.verdict["load_ended_at"], "worker-interactive")
    assert min(seen[len(seen) // 2 :]) < most


def test_pods_run_everywhere_afterwards(kubernetes: KubernetesTarget, campaign: Campaign) -> None:
    """Nothing is left cordoned, pending or crashing."""
    assert campaign.drills
    assert not [node.metadata.name for node in kubernetes.core.list_node().items if node.spec.unschedulable]
    core = client.CoreV1Api(kubernetes.api)
    for namespace in (APP, DATA):
        for pod in core.list_namespaced_pod(namespace).items:
            assert pod.status.phase in {"Running", "Succeeded"}, f"{pod.metadata.name}: {pod.status.phase}"
