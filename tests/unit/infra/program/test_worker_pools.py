"""Worker pools under a drain (ADR 0017): what a node holds of a pool may always leave it at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra import naming
from tests.unit.infra.stacks import Rendered


def _hosts(rendered: Rendered, component: str) -> Mapping[str, Any]:
    pod = rendered.one("Deployment", component).body["spec"]["template"]["spec"]
    [hosts] = [one for one in pod["topologySpreadConstraints"] if one["topologyKey"] == "kubernetes.io/hostname"]
    return hosts


def test_half_of_a_pool_may_be_moved(both: dict[str, Rendered]) -> None:
    """Of each pool half; of whom somebody waits for, one."""
    for rendered in both.values():
        for pool in rendered.stack.workloads.pools:
            budget = rendered.one("PodDisruptionBudget", naming.worker(pool.name)).body["spec"]
            assert budget["maxUnavailable"] == "50%"
            assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        for name in ("gateway", "relay", "pgbouncer"):
            assert rendered.one("PodDisruptionBudget", name).body["spec"]["maxUnavailable"] == 1


def test_no_node_holds_more_than_its_share(both: dict[str, Rendered]) -> None:
    """With a single database it is a rule, over the nodes that take pods, of one revision; else a wish."""
    for pool in both["staging"].stack.workloads.pools:
        hosts = _hosts(both["staging"], naming.worker(pool.name))
        assert (hosts["whenUnsatisfiable"], hosts["maxSkew"]) == ("DoNotSchedule", 1)
        assert (hosts["nodeTaintsPolicy"], hosts["matchLabelKeys"]) == ("Honor", ["pod-template-hash"])
    for pool in both["prod"].stack.workloads.pools:
        assert _hosts(both["prod"], naming.worker(pool.name))["whenUnsatisfiable"] == "ScheduleAnyway"
    assert _hosts(both["staging"], "gateway")["whenUnsatisfiable"] == "ScheduleAnyway"
