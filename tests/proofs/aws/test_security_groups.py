"""Who reaches whom, computed from the rules as AWS reads them, is the table below: no pair and no port more or less.

A connection comes about when a rule of the source's group lets it out and a rule of the destination's group lets it in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from infra.render.recorder import Registered

Stacks = Callable[[str], tuple[Registered, ...]]
Arrow = tuple[str, str, int]
EVERY = -1
IN, OUT = "SecurityGroupIngressRule", "SecurityGroupEgressRule"
#: Written by hand; the program derives it from infra/connections.py.
COMMON: set[Arrow] = {
    ("nodes", "nodes", EVERY),
    ("nodes", "endpoints", 443),
    ("nodes", "control-plane", 443),
    *(("control-plane", "nodes", port) for port in (4443, 6443, 8443, 9443, 10250)),
    ("nodes", "database", 5432),
    ("nodes", "cache", 6379),
    ("nodes", "S3", 443),
}
#: Amazon MQ has AMQP over TLS, and its management API; SQS is reached by an endpoint.
EXPECTED = {"staging": COMMON, "prod": COMMON | {("nodes", "broker", 5671), ("nodes", "broker", 443)}}


def reached(registered: Iterable[Registered], stack: str) -> set[Arrow]:
    """Every arrow to which both ends agree."""
    out, into = set(), set()
    for one in registered:
        match one.type.rpartition(":")[2]:
            case "SecurityGroupEgressRule" if "prefixListId" in one.inputs:
                # A prefix list is no group of ours: nobody on its side has to agree.
                arrow = (_end(one.inputs["securityGroupId"], stack), "S3", one.inputs["fromPort"])
                out.add(arrow)
                into.add(arrow)
            case "SecurityGroupEgressRule":
                out |= _arrows(one, "securityGroupId", "referencedSecurityGroupId", stack)
            case "SecurityGroupIngressRule":
                into |= _arrows(one, "referencedSecurityGroupId", "securityGroupId", stack)
            case _:
                pass
    return out & into


def _arrows(rule: Registered, source: str, destination: str, stack: str) -> set[Arrow]:
    said = rule.inputs
    ends = (_end(said[source], stack), _end(said[destination], stack))
    if said["ipProtocol"] == "-1":
        return {(*ends, EVERY)}
    return {(*ends, port) for port in range(said["fromPort"], said["toPort"] + 1)}


def _end(reference: str, stack: str) -> str:
    prefix = f"${{aws_security_group.millrace_{stack}_"
    assert reference.startswith(prefix), reference
    return reference.removeprefix(prefix).removesuffix(".id}").replace("_", "-")


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_groups_allow_the_table_and_nothing_else(stack: str, registered: Stacks) -> None:
    """Both ways: nothing is missing, nothing is more."""
    assert reached(registered(stack), stack) == EXPECTED[stack]


@pytest.mark.parametrize("kind", [IN, OUT])
def test_a_rule_that_is_removed_or_widened_is_noticed(kind: str, registered: Stacks) -> None:
    """Whichever it is. A port that both ends open is one arrow more."""
    everything = registered("prod")
    rules = [one for one in everything if one.type.endswith(f":{kind}")]
    assert rules
    for rule in rules:
        without = [one for one in everything if one is not rule]
        assert reached(without, "prod") < EXPECTED["prod"], rule.name
    added = [
        replace(one, inputs={**one.inputs, "fromPort": 22, "toPort": 22}) for one in everything if _to_database(one)
    ]
    assert reached([*everything, *added], "prod") - EXPECTED["prod"] == {("nodes", "database", 22)}


def _to_database(rule: Registered) -> bool:
    return rule.type.endswith(("IngressRule", "EgressRule")) and "database" in str(rule.inputs)


def test_there_is_no_route_out(registered: Stacks) -> None:
    """Groups say nothing of routes: the one table has none but the network's own."""
    for stack in ("staging", "prod"):
        kinds = {one.type.rpartition(":")[2] for one in registered(stack)}
        assert not kinds & {"InternetGateway", "NatGateway", "Route", "Eip", "EgressOnlyInternetGateway"}
        assert all("routes" not in one.inputs for one in registered(stack) if one.type.endswith(":RouteTable"))
