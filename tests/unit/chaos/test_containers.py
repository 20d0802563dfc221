"""A container is killed, kept dead and started again, with the restart policy that it had."""

from __future__ import annotations

from typing import Any

import pytest

from chaos import containers
from chaos.containers import ComposeNode, project_name
from chaos.errors import ChaosError, NotConfirmedError, TargetMissingError
from chaos.waiting import wait_until


class FakeContainer:
    """A container of the Docker SDK."""

    name = "millrace_rabbitmq-1_1"

    def __init__(self, *, immortal: bool = False) -> None:
        self.immortal = immortal
        self.calls: list[Any] = []
        self.attrs: dict[str, Any] = {
            "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}},
            "State": {"Running": True, "ExitCode": 0, "StartedAt": "first"},
        }

    def reload(self) -> None:
        """Nothing to ask for."""

    def update(self, *, restart_policy: dict[str, Any]) -> None:
        """Note the policy."""
        self.calls.append(("policy", restart_policy["Name"]))

    def kill(self, *, signal: str) -> None:
        """Die, unless immortal."""
        self.calls.append(signal)
        if not self.immortal:
            self.attrs["State"].update(Running=False, ExitCode=137)

    def start(self) -> None:
        """Live again, with a new start time."""
        self.calls.append("start")
        self.attrs["State"].update(Running=True, StartedAt="second")


def test_a_node_is_killed_for_good_and_started_as_it_was() -> None:
    """The policy is off while it is dead and back when it lives."""
    container = FakeContainer()
    node = ComposeNode(container)  # type: ignore[arg-type]

    node.kill()
    assert node.still_dead
    assert node.exit_code == 137
    node.start()

    assert not node.still_dead
    assert container.calls == [("policy", "no"), "SIGKILL", "start", ("policy", "unless-stopped")]


def test_a_node_that_was_up_in_between_was_not_dead() -> None:
    """Down now is not down all the time."""
    container = FakeContainer()
    node = ComposeNode(container)  # type: ignore[arg-type]
    node.kill()
    container.start()
    container.kill(signal="SIGKILL")

    assert not node.running
    assert not node.still_dead


def test_a_container_that_survives_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill without effect is no fault."""
    monkeypatch.setattr(containers, "_KILL_SECONDS", 0.05)

    with pytest.raises(NotConfirmedError, match="still runs"):
        ComposeNode(FakeContainer(immortal=True)).kill()  # type: ignore[arg-type]


def test_a_failing_command_is_said() -> None:
    """What it printed stands in the error."""
    container = FakeContainer()
    result = type("Result", (), {"exit_code": 1, "output": b"no such queue"})()
    container.exec_run = lambda _: result  # type: ignore[attr-defined]

    with pytest.raises(ChaosError, match="no such queue"):
        ComposeNode(container).run(["rabbitmqctl", "eval", "x"])  # type: ignore[arg-type]


@pytest.mark.parametrize("found", [0, 2])
def test_only_the_one_container_of_the_project_is_taken(monkeypatch: pytest.MonkeyPatch, found: int) -> None:
    """The engine is asked by project and service, and an answer that is not unique is refused."""
    asked: dict[str, Any] = {}

    class Engine:
        class containers:  # noqa: N801 - the SDK's name
            @staticmethod
            def list(filters: dict[str, Any]) -> list[FakeContainer]:
                asked.update(filters)
                return [FakeContainer()] * found

    monkeypatch.setattr(containers.docker, "from_env", Engine)

    with pytest.raises(TargetMissingError, match=f"{found} running containers of service rabbitmq-1 in project mine"):
        ComposeNode.find("rabbitmq-1", "mine")

    assert asked == {
        "label": ["com.docker.compose.project=mine", "com.docker.compose.service=rabbitmq-1"],
        "status": "running",
    }


def test_the_project_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `make up` has it, or as compose itself has it."""
    monkeypatch.delenv("COMPOSE_PROJECT_NAME", raising=False)
    monkeypatch.delenv("MILLRACE_PROJECT", raising=False)
    assert project_name() == "millrace"
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "other")
    assert project_name() == "other"
    monkeypatch.setenv("MILLRACE_PROJECT", "third")
    assert project_name() == "third"


def test_waiting_ends() -> None:
    """With True as soon as the condition holds, with False at the deadline."""
    answers = iter([False, False, True])

    assert wait_until(lambda: next(answers), 5, every_seconds=0)
    assert not wait_until(lambda: False, 0.01, every_seconds=0.005)
