"""A node of the local stack is killed, kept dead and started again by the faults of the experiments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaos import components, containers, injections, steps
from chaos.components import Member, members, project_name
from chaos.containers import ComposeTarget
from chaos.errors import NotConfirmedError, NotHealedError, TargetBusyError, TargetMissingError
from chaos.injections import Injections
from chaos.steps import Step
from chaos.waiting import wait_until
from tests.unit.chaos.test_components import member


class FakeEngine:
    """One container that obeys the steps, and a switch that obeys the drill."""

    def __init__(self) -> None:
        self.member = member("rabbitmq-1")
        self.said: list[str] = []
        self.immortal = False
        self.wrong: list[str] = []
        self.interrupted = False

    def members(self, _: str) -> tuple[Member, ...]:
        """The only one."""
        return (self.member,)

    def perform(self, step: Step, **_: Any) -> str:
        """Note it, and die of a kill."""
        self.said.append(step.command[1])
        if step.command[1] == "kill" and not self.immortal:
            self.member = replace(self.member, running=False, exit_code=137)
        return ""

    def switch(self, undo: tuple[Step, ...], **_: Any) -> SimpleNamespace:
        """Takes back what it was armed with."""

        def take_back() -> list[str]:
            if self.interrupted:
                self.interrupted = False
                raise KeyboardInterrupt
            self.said += [f"back: {step.command[1]}" for step in undo]
            self.member = replace(self.member, running=True, started_at="second")
            return self.wrong

        self.said.append("armed")
        return SimpleNamespace(alive=True, take_back=take_back)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """In place of Docker."""
    fake = FakeEngine()
    management: Any = SimpleNamespace(close=lambda: None)
    held = Injections(project="millrace", folder=tmp_path, management=management)
    for module in (injections, containers):
        monkeypatch.setattr(module, "members", fake.members)
        monkeypatch.setattr(module, "perform", fake.perform)
    monkeypatch.setattr(injections, "Switch", fake.switch)
    monkeypatch.setattr(containers, "held", lambda: held)
    yield fake
    held.close()


def test_a_node_is_killed_for_good_and_started_as_it_was(engine: FakeEngine) -> None:
    """The switch is armed before anything is broken."""
    node = ComposeTarget().broker("rabbitmq-1")

    node.kill()
    killed = node.still_dead  # for mypy an attribute that was asserted never changes
    assert killed
    assert node.exit_code == 137
    node.start()

    assert not node.still_dead
    assert engine.said == ["armed", "update", "kill", "back: start", "back: update"]


def test_a_node_that_was_up_in_between_was_not_dead(engine: FakeEngine) -> None:
    """Down now is not down all the time."""
    node = ComposeTarget().broker("rabbitmq-1")
    node.kill()
    engine.member = replace(engine.member, started_at="second")

    assert not node.still_dead


def test_a_container_that_survives_is_said(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill without effect is no fault."""
    monkeypatch.setattr(injections, "NOTICE_SECONDS", 0.05)
    engine.immortal = True

    with pytest.raises(NotConfirmedError, match="rabbitmq-1 runs"):
        ComposeTarget().broker("rabbitmq-1").kill()


def test_what_was_interrupted_on_its_way_back_is_taken_back_by_the_next_who_asks(engine: FakeEngine) -> None:
    """Ctrl-C during the method's own way back: the rollback does it, or says what went wrong."""
    node = ComposeTarget().broker("rabbitmq-1")
    node.kill()
    engine.interrupted = True
    with pytest.raises(KeyboardInterrupt):
        containers.held().take_back()
    engine.wrong = ["docker start: no space left"]

    assert containers.held().take_back() == ["docker start: no space left"]
    assert containers.held().take_back() == []


def test_a_node_that_does_not_start_is_said(engine: FakeEngine) -> None:
    """With the command that failed."""
    node = ComposeTarget().broker("rabbitmq-1")
    node.kill()
    engine.wrong = ["docker start: no space left"]

    with pytest.raises(NotHealedError, match="no space left"):
        node.start()


@pytest.mark.usefixtures("engine")
def test_a_second_drill_is_refused(tmp_path: Path) -> None:
    """Until the first one has left the target."""
    management: Any = SimpleNamespace(close=lambda: None)
    ComposeTarget().broker("rabbitmq-1").kill()
    with pytest.raises(TargetBusyError, match="Another drill is at work"):
        Injections(project="millrace", folder=tmp_path, management=management).open()


@pytest.mark.usefixtures("engine")
def test_what_an_earlier_drill_left_is_taken_back_first(tmp_path: Path) -> None:
    """The machine lost power, and with it the switch; its note is still there."""
    (tmp_path / "1.undo.json").write_text('[{"command": ["touch", "' + str(tmp_path / "back") + '"], "already": ""}]')

    ComposeTarget().broker("rabbitmq-1").kill()

    assert (tmp_path / "back").exists()
    assert not (tmp_path / "1.undo.json").exists()


def test_a_failing_command_is_said() -> None:
    """What it printed stands in the error."""
    with pytest.raises(steps.StepFailedError, match="no such queue"):
        steps.perform(Step(command=("sh", "-c", "echo no such queue >&2; exit 1")))


def test_only_containers_of_the_project_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is asked by label, and a project without containers is said."""
    asked: dict[str, Any] = {}

    def listed(**words: Any) -> list[Any]:
        asked.update(words)
        return []

    engine = SimpleNamespace(containers=SimpleNamespace(list=listed), close=lambda: None)
    monkeypatch.setattr(components.docker, "from_env", lambda: engine)

    with pytest.raises(TargetMissingError, match="no containers of project mine"):
        members("mine")
    assert asked == {"all": True, "filters": {"label": "com.docker.compose.project=mine"}}


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
