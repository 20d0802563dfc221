"""A fault is data: what it does to a member, what takes it back, and what shows that it is in place."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from chaos import node_faults, operator_faults
from chaos.components import Member
from chaos.errors import ExperimentError, NotSupportedError
from chaos.faults import VERBS, Wanted
from chaos.plan import Plan, Scene
from tests.unit.chaos.test_components import member

WORKER, NODE = member("worker-bulk"), member("rabbitmq-1")


def plan(verb: str, of: Member, now: Member | None = None, **options: Any) -> Plan:
    """Of a target that looks like `now` when the fault is proved."""
    management = SimpleNamespace(
        nodes=lambda: ("rabbit@rabbitmq-1", "rabbit@rabbitmq-2"),
        alarms=lambda: ("rabbit@rabbitmq-1: memory",),
        running=lambda node: node == "rabbit@rabbitmq-2",
    )
    others = {
        "rabbitmq": (NODE, member("rabbitmq-2"), member("rabbitmq-3", running=False)),
        "relay": (member("relay-1"), member("relay-2")),
        "topology": (member("topology", running=False),),
    }
    scene = Scene(management=management, look=lambda _: now or of, every=others.__getitem__)  # type: ignore[arg-type]
    return VERBS[verb].plan(of, scene, **options)


def _words(made: Plan) -> tuple[list[str], list[str]]:
    return [str(step) for step in made.inject], [str(step) for step in made.undo]


def test_the_dead_stay_dead_and_get_their_policy_back() -> None:
    """Docker must not start it again in between; somebody who does is seen."""
    made = plan("kill", WORKER, replace(WORKER, running=False, exit_code=137))
    assert _words(made) == (
        ["docker update --restart no id-worker-bulk", "docker kill --signal KILL id-worker-bulk"],
        ["docker start id-worker-bulk", "docker update --restart unless-stopped id-worker-bulk"],
    )
    assert made.lacks() == ""
    assert plan("kill", WORKER).lacks() == "worker-bulk runs"
    again = replace(WORKER, running=False, started_at="second")
    assert plan("kill", WORKER, again).lacks() == "worker-bulk was started in between"


@pytest.mark.parametrize(
    ("verb", "options", "changed", "lacks"),
    [
        ("pause", {}, {"paused": True}, "worker-bulk is not frozen"),
        ("restart", {}, {"started_at": "second"}, "worker-bulk was not started again"),
        ("starve", {"cpus": 0.05}, {"cpus": 0.05}, "worker-bulk may use 2 processors"),
    ],
)
def test_evidence_is_the_container_as_it_is(
    verb: str, options: dict[str, Any], changed: dict[str, Any], lacks: str
) -> None:
    """Not the exit code of the command that should have changed it."""
    assert plan(verb, WORKER, replace(WORKER, **changed), **options).lacks() == ""
    assert plan(verb, WORKER, **options).lacks() == lacks


def test_processors_are_given_back() -> None:
    """As many as there were; without a limit there would be no way back."""
    made = plan("starve", WORKER, cpus=0.05)
    assert _words(made) == (
        ["docker update --cpus 0.05 id-worker-bulk"], ["docker update --cpus 2 id-worker-bulk"],
    )  # fmt: skip
    with pytest.raises(NotSupportedError, match="no limit"):
        plan("starve", replace(WORKER, cpus=0.0), cpus=0.05)


def test_an_alarm_ends_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watermark is asked for before."""
    monkeypatch.setattr(node_faults, "perform", lambda _: "{absolute, 500}")
    made = plan("memory_alarm", NODE)
    assert made.undo[0].command[-1] == "vm_memory_monitor:set_vm_memory_high_watermark({absolute, 500})."
    assert made.lacks() == ""
    assert plan("disk_alarm", NODE).lacks() == "there is no alarm rabbit@rabbitmq-1: disk"


def test_a_parted_node_refuses_each_other_one() -> None:
    """And meets them with the true cookie again."""
    made = plan("partition", NODE)
    assert "erlang:disconnect_node(N) end || N <- ['rabbit@rabbitmq-2']" in str(made.inject[0])
    assert str(made.undo[0]).endswith("[erlang:set_cookie(N, erlang:get_cookie()) || N <- ['rabbit@rabbitmq-2']].")
    assert made.lacks() == ""


def test_rights_are_granted_again_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """To both logins of the role; no password stands in a command."""
    rights = [{"user": user, "configure": "^$", "write": "a|b", "read": "c"} for user in ("relay", "relay_b", "worker")]
    monkeypatch.setattr(operator_faults, "_listed", lambda *_: rights)
    made = plan("revoke", NODE, name="relay")
    assert [step.command[-4:] for step in made.undo] == [
        ("relay", "^$", "a|b", "c"), ("relay_b", "^$", "a|b", "c"),
    ]  # fmt: skip
    assert made.lacks() == "relay, relay_b may still do its work"


@pytest.mark.parametrize(
    ("verb", "component", "options", "said"),
    [
        ("explode", "worker", {}, "verb explode"),
        ("kill", "kafka", {}, "component kafka"),
        ("partition", "redis", {}, "partition is a fault of rabbitmq"),
        ("starve", "worker", {}, "starve must be told cpus"),
        ("delay", "worker", {"to": "rabbitmq"}, "delay must be told to and milliseconds"),
        ("cut", "worker", {"to": "kafka", "direction": "in"}, "to kafka: there are gateway, .*, and dns"),
    ],
)
def test_what_nobody_can_bring_about_is_refused(verb: str, component: str, options: dict[str, Any], said: str) -> None:
    """Before anything is broken."""
    with pytest.raises(ExperimentError, match=said):
        Wanted(verb=verb, component=component, role="any", options=options)
