"""Nodes start, are stopped, drained, killed and restarted with other definitions, and no confirmed message is lost."""

from __future__ import annotations

import json

import amqp
import pytest

from app.contract import Role
from infra.servers.rabbitmq import definitions
from tests.harness.rabbitmq_nodes import Nodes
from tests.harness.waiting import eventually
from tests.proofs.rabbitmq.messages import drain, publish, queue

_FOUR_LISTED = "application:set_env(rabbit, cluster_formation, [{target_cluster_size_hint, 4}])."


def test_started_only_when_the_cluster_is_whole(nodes: Nodes) -> None:
    """The startup probe fails on a node that knows of fewer nodes than there shall be, and passes with one down."""
    first, _, third = nodes.cluster.hosts
    before = nodes.ctl(first, "rabbitmqctl", "--quiet", "eval", "application:get_env(rabbit, cluster_formation).")

    nodes.ctl(first, "rabbitmqctl", "eval", _FOUR_LISTED)
    assert nodes.run(first, "millrace-healthy")[0] == 0
    assert nodes.run(first, "millrace-started")[0] != 0
    restored = before.removeprefix("{ok,").removesuffix("}")
    nodes.ctl(first, "rabbitmqctl", "eval", f"application:set_env(rabbit, cluster_formation, {restored}).")
    nodes.machines[third].stop(timeout=30)
    try:
        assert nodes.run(first, "millrace-started")[0] == 0
    finally:
        nodes.machines[third].start_again()
        nodes.wait(third)


def test_stop_waits_for_a_quorum_that_can_spare_the_node(nodes: Nodes) -> None:
    """With all up a node is drained at once; with one down it waits to its bound, says so, and goes on."""
    first, second, third = nodes.cluster.hosts

    at_once = _said(nodes.ctl(first, "millrace-stop", "300", "300"))
    assert at_once == ["every queue can spare this node", "drained"]
    assert nodes.run(first, "millrace-healthy")[0] != 0, "a drained node still serves"
    nodes.ctl(first, "rabbitmq-upgrade", "revive")
    nodes.wait(first)

    nodes.machines[third].kill()
    try:
        waited, drained = _said(nodes.ctl(second, "millrace-stop", "8", "10"))
        assert waited.startswith("some queue cannot spare this node (or could not be asked) after 8 s")
        # 4.0 can drain while a node is dead, 4.3 took over a minute; neither may keep the pod.
        assert drained.startswith(("drained", "not drained after 10 s"))
    finally:
        nodes.machines[third].start_again()
        nodes.wait(third)
        # As it goes on in Kubernetes. `revive` would not do: a drain that was given up goes on inside the node.
        nodes.restart(second)


def _said(output: str) -> list[str]:
    """The lines of the script itself; the shell and the tools write in between, on another stream."""
    prefix = "millrace-stop: "
    return [line.removeprefix(prefix) for line in output.splitlines() if line.startswith(prefix)]


def test_stop_is_skipped_when_marked(nodes: Nodes) -> None:
    """While the whole cluster is removed nobody waits for anybody: the node is neither asked nor drained."""
    first = nodes.cluster.hosts[0]
    nodes.mount(first, "pod-info", {"skip-prestop-checks": "true"})
    try:
        assert nodes.ctl(first, "millrace-stop", "60", "60") == "millrace-stop: skipped, as marked"
        assert nodes.run(first, "millrace-healthy")[0] == 0
    finally:
        nodes.mount(first, "pod-info", {"skip-prestop-checks": ""})


def test_killing_a_leader_loses_no_confirmed_message(nodes: Nodes) -> None:
    """Messages confirmed before and after a kill -9 of the queue's leader are there, while the node stays dead."""
    leader = queue(nodes, "interactive")["leader"].removeprefix("rabbit@")
    other = next(host for host in nodes.cluster.hosts if host != leader)
    before = [f"before {i}" for i in range(200)]
    after = [f"after {i}" for i in range(50)]
    try:
        with nodes.channel(Role.RELAY, host=other) as channel:
            publish(channel, *before)
            nodes.machines[leader].kill()
            publish(channel, *after)
        eventually(
            lambda: queue(nodes, "interactive", other)["leader"] != f"rabbit@{leader}",
            what="another leader", every=0.5,
        )  # fmt: skip
        assert sorted(drain(nodes, other)) == sorted(before + after)
        assert not nodes.machines[leader].running
    finally:
        nodes.machines[leader].start_again()
        nodes.wait(leader)


def test_changed_definitions_are_imported_at_the_next_start(nodes: Nodes) -> None:
    """A node that starts with changed files imports them for all; with unchanged ones it leaves alone what is there."""
    first, second, third = nodes.cluster.hosts
    delivery_limit = 7
    name = f"{definitions.FOLDER}/{definitions.VHOST_FILE}"
    rotated = nodes.definitions(relay="a new password of the relay's")
    document = json.loads(rotated[name])
    changed = next(policy for policy in document["policies"] if policy["name"] == "interactive")
    with nodes.channel(Role.RELAY) as channel:
        publish(channel, "kept")

    # By hand, unchanged files: a restart does not undo what the operator did.
    with nodes.http(Role.OPERATOR) as client:
        body = {key: changed[key] for key in ("pattern", "apply-to", "priority")}
        definition = {**changed["definition"], "delivery-limit": 5}
        client.put("/api/policies/millrace/interactive", json={**body, "definition": definition}).raise_for_status()
    nodes.restart(third)
    assert _delivery_limit(nodes, second) == 5

    # Changed files, one node restarted: all nodes know, the messages stay, the old password is refused.
    changed["definition"]["delivery-limit"] = delivery_limit
    for host in nodes.cluster.hosts:
        nodes.mount(host, "secrets", {**rotated, name: json.dumps(document)})
    nodes.restart(third)
    assert _delivery_limit(nodes, second) == delivery_limit
    with nodes.channel(Role.RELAY, host=first, password="a new password of the relay's") as channel:
        publish(channel, "with the new password")
    with pytest.raises((amqp.AccessRefused, OSError)), nodes.channel(Role.RELAY, host=first):
        pass
    assert drain(nodes, first) == ["kept", "with the new password"]


def _delivery_limit(nodes: Nodes, host: str) -> int:
    with nodes.http(Role.OPERATOR, host=host) as client:
        policy = client.get("/api/policies/millrace/interactive").raise_for_status().json()
    return int(policy["definition"]["delivery-limit"])
