"""What the operator's commands and the drills find in the rendered stacks."""

from __future__ import annotations

from typing import Any

from chaos.partition import without
from infra.cluster.operate import job
from tests.unit.infra.stacks import Rendered


def test_a_command_of_the_operator_runs_once_and_goes_with_its_template(both: dict[str, Rendered]) -> None:
    """As a child of the CronJob, so that no deployment prunes it."""
    found = both["staging"].one("CronJob", "operator")
    template = {**found.body, "metadata": {**found.body["metadata"], "uid": "7"}}
    made: dict[str, Any] = job(template, ["dead-letters", "list"], "abc")
    assert made["metadata"]["name"] == "operator-abc"
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("CronJob", "7")
    assert made["spec"]["backoffLimit"] == 0
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["dead-letters", "list"]
    before = template["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert {**container, "args": before["args"]} == before


def _selectors(rules: list[dict[str, Any]], side: str) -> list[dict[str, Any]]:
    return [peer["podSelector"] for rule in rules for peer in rule.get(side, []) if "podSelector" in peer]


def test_a_partition_parts_one_broker_from_its_neighbours_in_both_directions(rendered: Rendered) -> None:
    """Only from RabbitMQ's own pods; clients are let in as before."""
    policy = rendered.one("NetworkPolicy", "rabbitmq").body["spec"]
    rules = without(policy, "rabbitmq-1")
    changed = []
    for side, direction in (("from", "ingress"), ("to", "egress")):
        for before, after in zip(_selectors(policy[direction], side), _selectors(rules[direction], side), strict=True):
            if before != after:
                changed.append((direction, after["matchLabels"]["app.kubernetes.io/name"], after["matchExpressions"]))
    cut = [{"key": "statefulset.kubernetes.io/pod-name", "operator": "NotIn", "values": ["rabbitmq-1"]}]
    assert changed == [("ingress", "rabbitmq", cut), ("egress", "rabbitmq", cut)]
