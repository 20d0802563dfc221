"""Members are found by component and role, and only a target that says so may be broken."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chaos.components import Member, select
from chaos.errors import ChaosError, NotSupportedError, TargetClosedError, TargetMissingError
from chaos.permission import require_open
from chaos.probes import containers_problems


def member(service: str, **changes: Any) -> Member:
    """A container that is well."""
    usual: dict[str, Any] = {
        "identifier": f"id-{service}", "service": service, "running": True, "paused": False, "health": "healthy",
        "exit_code": 0, "out_of_memory": False, "started_at": "first", "restart_policy": "unless-stopped", "cpus": 2.0,
        "drills": "open",
    }  # fmt: skip
    return Member(**usual | changes)


LISTED = tuple(
    member(service) for service in ("rabbitmq-1", "rabbitmq-2", "rabbitmq-3", "relay-1", "relay-2", "worker-bulk")
)


def management(leader: str) -> Any:
    """One that knows who leads."""
    return SimpleNamespace(queue=lambda _: SimpleNamespace(leader=f"rabbit@{leader}"))


@pytest.mark.parametrize(
    ("component", "role", "services"),
    [
        ("relay", "any", ["relay-1"]),
        ("relay", "2", ["relay-2"]),
        ("relay", "all", ["relay-1", "relay-2"]),
        ("worker", "bulk", ["worker-bulk"]),
        ("rabbitmq", "leader", ["rabbitmq-2"]),
        ("rabbitmq", "follower", ["rabbitmq-1"]),
    ],
)
def test_a_role_is_found(component: str, role: str, services: list[str]) -> None:
    """By the service's name, or by what RabbitMQ says of the queue."""
    chosen = select(LISTED, component, role, management("rabbitmq-2"))
    assert [each.service for each in chosen] == services


@pytest.mark.parametrize(
    ("component", "role", "error"),
    [
        ("worker", "leader", NotSupportedError),
        ("worker", "external", TargetMissingError),
        ("beat", "any", TargetMissingError),
    ],
)
def test_who_is_not_there_is_said(component: str, role: str, error: type[ChaosError]) -> None:
    """With what is there."""
    with pytest.raises(error, match=component):
        select(LISTED, component, role, management("rabbitmq-2"))


def test_the_redis_of_results_is_not_the_broker() -> None:
    """A fault of one must not hit the other; Docker lists them in either order."""
    redis, broker = member("redis"), member("redis-broker")
    for role in ("any", "all"):
        assert select((broker, redis), "redis", role, management("rabbitmq-2")) == (redis,)
        assert select((redis, broker), "redis-broker", role, management("rabbitmq-2")) == (broker,)


def test_one_broker_has_no_follower() -> None:
    """The only node leads."""
    with pytest.raises(TargetMissingError, match="No rabbitmq in the role follower runs"):
        select(LISTED[:1], "rabbitmq", "follower", management("rabbitmq-1"))


def test_a_target_must_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every container of it; where real users work, the project's name must be repeated."""
    require_open(LISTED, "millrace")
    with pytest.raises(TargetClosedError, match=r"of relay-3 does not say open\. Start the stack with MILLRACE_DRILLS"):
        require_open((*LISTED, member("relay-3", drills="")), "millrace")
    users = (member("gateway", drills="confirm"),)
    with pytest.raises(TargetClosedError, match="MILLRACE_DRILLS_CONFIRM=shop"):
        require_open(users, "shop")
    monkeypatch.setenv("MILLRACE_DRILLS_CONFIRM", "shop")
    require_open(users, "shop")
    with pytest.raises(TargetClosedError, match="does not say open"):
        require_open((*users, *LISTED), "shop")


def test_a_target_must_be_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A switch here could not reach another one when the network is what broke."""
    monkeypatch.setenv("DOCKER_HOST", "ssh://shop")
    with pytest.raises(NotSupportedError, match="DOCKER_HOST is ssh://shop: run the drill on that machine"):
        require_open(LISTED, "millrace")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (member("beat"), None),
        (member("beat", running=False, exit_code=137), "beat ended with 137"),
        (member("beat", running=False), "beat ended with 0"),
        (member("beat", paused=True), "beat is frozen"),
        (member("beat", health="unhealthy"), "beat is unhealthy"),
        (member("beat", restart_policy="no"), "beat has restart policy and processors ('no', 2.0)"),
        (member("beat", cpus=0.1), "beat has restart policy and processors ('unless-stopped', 0.1)"),
    ],
)
def test_what_is_not_as_it_was_is_said(found: Member, said: str | None) -> None:
    """A way back that leads only half of the way leaves the steady state red."""
    problems = list(containers_problems((found,), {"beat": ("unless-stopped", 2.0)}))
    assert problems[0].startswith(said) if said else problems == []
    assert bool(said) is bool(problems)


def test_what_runs_once_may_have_ended() -> None:
    """The migration did, long ago."""
    ended = member("migrate", running=False, restart_policy="no", health="")
    assert list(containers_problems((ended,), {})) == []
