"""Out of memory: the kernel says whom it ended, and a container that ended for another reason is no evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chaos import memory_faults
from chaos.errors import ExperimentError
from tests.unit.chaos.test_components import member
from tests.unit.chaos.test_plans import WORKER, plan

REDIS = member("redis")


def test_a_parent_stays_dead_until_it_is_taken_back() -> None:
    """Docker must not start it again in between; it says itself why the container ended."""
    dead = replace(REDIS, running=False, exit_code=137, out_of_memory=True)
    made = plan("out_of_memory", REDIS, dead, victim="parent")

    assert str(made.inject[0]) == "docker update --restart no id-redis"
    assert made.inject[1].command[:5] == ("docker", "exec", "--detach", "id-redis", "perl")
    assert made.inject[1].command[-1] == "parent"
    assert made.undo[0].command[:4] == ("docker", "exec", "id-redis", "perl")
    assert [str(step) for step in made.undo[1:]] == [
        "docker start id-redis", "docker update --restart unless-stopped id-redis",
    ]  # fmt: skip
    assert made.lacks() == ""
    assert plan("out_of_memory", REDIS, victim="parent").lacks() == "redis runs"
    killed = replace(dead, out_of_memory=False)
    assert (
        plan("out_of_memory", REDIS, killed, victim="parent").lacks()
        == "redis ended with 137, and not for want of memory"
    )


def test_a_child_is_counted_by_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted from before the fault; if the whole container ended, it was not the child."""
    counts = iter(["1", "1", "2"])
    monkeypatch.setattr(memory_faults, "perform", lambda _: next(counts))
    made = plan("out_of_memory", WORKER, victim="child")

    assert made.lacks() == "worker-bulk has ended nobody for want of memory"
    assert made.lacks() == ""
    monkeypatch.setattr(memory_faults, "perform", lambda _: "1")
    again = replace(WORKER, started_at="second")
    assert (
        plan("out_of_memory", WORKER, again, victim="child").lacks() == "worker-bulk ended, and not one of its children"
    )


def test_another_victim_is_refused() -> None:
    """Before anything is filled."""
    with pytest.raises(ExperimentError, match="victim uncle: there are parent, child"):
        plan("out_of_memory", WORKER, victim="uncle")
