"""The drill kills the right node, proves it, and starts it again whatever happens."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from tenacity import wait_fixed

from chaos.cluster import Consumer, Queue
from chaos.errors import (
    ChaosError,
    DrillInterruptedError,
    ManagementError,
    NotConfirmedError,
    NotHealedError,
    NoVictimError,
)
from chaos.kill_leader import Bounds, find_victim, kill_and_heal

NODES = ("rabbit@rabbitmq-1", "rabbit@rabbitmq-2", "rabbit@rabbitmq-3")
BOUNDS = Bounds(dead_seconds=0.05, move_seconds=0.05, confirm_seconds=0.05, rejoin_seconds=0.05)


@pytest.fixture(autouse=True)
def _asks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaos.waiting.wait_fixed", lambda _: wait_fixed(0.005))


class FakeCluster:
    """Three brokers and a container, as far as the drill can see them."""

    def __init__(self, *, leader: int = 1, workers: int | None = 1, elects: bool = True, rejoins: bool = True) -> None:
        self.dead: str | None = None
        self.elects = elects
        self.rejoins = rejoins
        self.away = False
        self.restarted_by_others = False
        self.calls: list[str] = []
        self.leader = NODES[leader]
        self.consumer = (
            None
            if workers is None
            else Consumer(queue="bulk", connection="worker-1", node=NODES[workers], user="worker", peer="10.0.0.9")
        )

    # --- what the management API says

    def queues(self) -> list[Queue]:
        """The work queues, or no answer."""
        if self.away:
            raise ManagementError("away")
        online = tuple(node for node in NODES if node != self.dead)
        return [
            Queue(name="interactive", leader=NODES[0], members=NODES, online=online, messages=0, publish_rate=5.0),
            Queue(name="bulk", leader=self.leader, members=NODES, online=online, messages=9, publish_rate=50.0),
        ]

    def queue(self, name: str) -> Queue:
        """One of them."""
        return next(queue for queue in self.queues() if queue.name == name)

    def consumers(self) -> list[Consumer]:
        """The worker, if there is one."""
        return [self.consumer] if self.consumer else []

    def running(self, node: str) -> bool:
        """Everything but the dead node."""
        return node != self.dead

    # --- what the container does

    def find(self, service: str) -> FakeCluster:
        """Every service is this one fake."""
        self.calls.append(f"find {service}")
        return self

    name = "millrace_rabbitmq"
    exit_code = 137

    @property
    def still_dead(self) -> bool:
        """Dead, and nobody interfered."""
        return self.dead is not None and not self.restarted_by_others

    def run(self, command: list[str]) -> str:
        """Obey rabbitmqctl's transfer of leadership."""
        self.calls.append("transfer")
        assert "transfer_leadership" in command[2]
        self.leader = next(node for node in NODES if f"'{node}'" in command[2])
        return "ok"

    def kill(self) -> float:
        """Die; perhaps elect another leader, to which the worker turns."""
        self.calls.append("kill")
        self.dead = self.leader
        if self.elects:
            self.leader = next(node for node in NODES if node != self.dead)
        if self.consumer and self.consumer.node == self.dead:
            self.consumer = replace(self.consumer, connection="worker-1 again", node=self.leader)
        return time.time()

    def start(self) -> float:
        """Come back, unless told not to."""
        self.calls.append("start")
        if self.rejoins:
            self.dead = None
        return time.time()


def drill(cluster: FakeCluster, bounds: Bounds = BOUNDS, sleep: Any = time.sleep) -> dict[str, Any]:
    """Run the drill, and return its evidence put together; an error stands in it as `error`."""
    said: list[dict[str, Any]] = []
    try:
        kill_and_heal(cluster, cluster.find, said.append, bounds, sleep=sleep)  # type: ignore[arg-type]
    except ChaosError as error:
        said.append({"error": error})
    return {"events": [line.get("event") for line in said]} | {key: line[key] for line in said for key in line}


def test_the_leader_of_the_busiest_queue_is_killed_and_comes_back() -> None:
    """The evidence names queue, node and connection, and the times are in order."""
    cluster = FakeCluster(leader=1, workers=1)

    evidence = drill(cluster)

    assert evidence["events"] == [
        "chosen", "injected", "confirmed", "workers_back", "stayed_dead", "cleared", "recovered"
    ]  # fmt: skip
    assert (evidence["queue"], evidence["node"], evidence["was_leader"]) == ("bulk", NODES[1], True)
    assert evidence["worker_connection"] == "worker-1"
    assert evidence["new_leader"] == NODES[0]
    assert evidence["exit_code"] == 137
    assert evidence["injected_at"] <= evidence["confirmed_at"] <= evidence["cleared_at"] <= evidence["recovered_at"]
    assert evidence["cleared_at"] - evidence["injected_at"] >= BOUNDS.dead_seconds
    assert cluster.calls == ["find rabbitmq-2", "kill", "start"]


def test_the_leadership_is_moved_to_where_the_workers_are() -> None:
    """A leader without a worker's connection would be half a fault."""
    cluster = FakeCluster(leader=1, workers=2)

    evidence = drill(cluster)

    assert "error" not in evidence
    assert (evidence["leader_moved_from"], evidence["leader_moved_to"]) == (NODES[1], NODES[2])
    assert evidence["node"] == NODES[2]
    assert cluster.calls == ["find rabbitmq-2", "transfer", "find rabbitmq-3", "kill", "start"]


def test_without_workers_nothing_is_killed() -> None:
    """Nothing is broken when it would prove nothing."""
    cluster = FakeCluster(workers=None)

    evidence = drill(cluster)

    assert isinstance(evidence["error"], NoVictimError)
    assert "has no worker" in str(evidence["error"])
    assert "kill" not in cluster.calls


def test_a_leadership_that_will_not_move_ends_the_search() -> None:
    """The search is bounded."""
    cluster = FakeCluster(leader=1, workers=2)
    cluster.run = lambda *_: "timeout"  # type: ignore[method-assign]

    with pytest.raises(NoVictimError):
        find_victim(cluster, cluster.find, lambda _: None, BOUNDS)  # type: ignore[arg-type]


def test_a_kill_that_nobody_felt_is_not_confirmed_and_the_node_comes_back() -> None:
    """Without an election the fault is not proved; the node is started all the same."""
    cluster = FakeCluster(elects=False)

    evidence = drill(cluster)

    assert isinstance(evidence["error"], NotConfirmedError)
    assert "confirmed_at" not in evidence
    assert cluster.calls[-1] == "start"


def test_a_node_that_somebody_else_starts_is_noticed() -> None:
    """A restart policy that brings it back early must not pass for a dead node."""
    cluster = FakeCluster()
    cluster.restarted_by_others = True

    evidence = drill(cluster)

    assert isinstance(evidence["error"], NotConfirmedError)
    assert "started by somebody else" in str(evidence["error"])


@pytest.mark.parametrize("error", [DrillInterruptedError("SIGTERM"), KeyboardInterrupt(), OSError("engine away")])
def test_the_node_is_started_again_when_the_drill_is_interrupted(error: BaseException) -> None:
    """Whatever ends the dead time early, the node does not stay dead."""
    cluster = FakeCluster()

    def interrupted(_: float) -> None:
        raise error

    bounds = replace(BOUNDS, dead_seconds=60)
    with pytest.raises(type(error)):
        kill_and_heal(cluster, cluster.find, lambda _: None, bounds, sleep=interrupted)  # type: ignore[arg-type]

    assert cluster.calls == ["find rabbitmq-2", "kill", "start"]


def test_a_node_that_does_not_rejoin_is_said() -> None:
    """Started is not back."""
    evidence = drill(FakeCluster(rejoins=False))

    assert isinstance(evidence["error"], NotHealedError)
    assert "cleared_at" in evidence
    assert "recovered_at" not in evidence


def test_the_api_may_be_away_for_a_moment_after_the_kill() -> None:
    """The survivors are asked again until they answer, or the bound is reached."""
    cluster = FakeCluster()
    kill = cluster.kill

    def kill_and_be_silent() -> float:
        cluster.away = True
        return kill()

    cluster.kill = kill_and_be_silent  # type: ignore[method-assign]

    evidence = drill(cluster)

    assert isinstance(evidence["error"], NotConfirmedError)
    assert "away" in str(evidence["error"])
    assert cluster.calls[-1] == "start"
