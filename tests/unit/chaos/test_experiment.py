"""Every experiment of ours can be run, and a file that cannot is refused with its reason."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.contract import queue_names
from chaos.catalogue import as_markdown
from chaos.errors import ExperimentError
from chaos.experiment import FOLDER, experiments, find, read
from chaos.faults import COMPONENTS

REPOSITORY = Path(__file__).parents[3]
ALL = experiments()
#: Beside parts of services' names.
ROLES = {"any", "all", "leader", "follower"}


def test_each_breaks_something_else() -> None:
    """One file a thing that breaks."""
    assert len(ALL) >= 30
    assert len({(each.faults[0].verb, *map(str, each.faults)) for each in ALL}) == len(ALL)
    assert len({each.title for each in ALL}) == len(ALL)


@pytest.mark.parametrize("each", ALL, ids=lambda each: each.name)
def test_it_names_components_and_roles(each: Any) -> None:
    """Never a container (I18)."""
    for fault in each.faults:
        assert fault.component in COMPONENTS
        assert fault.role in ROLES | set(queue_names())
    assert set(each.queues) <= set(queue_names())


def test_the_catalogue_holds_what_was_asked_for() -> None:
    """Faults of which nobody dies, mistakes of operators, pairs."""
    kinds = [each.card.kind for each in ALL]
    assert kinds.count("gray") >= 10
    assert kinds.count("mistake") >= 5
    assert kinds.count("pair") >= 3


def test_somebody_is_told_of_most_of_them() -> None:
    """A fault that no alert tells of is a gap; a new one needs a reason."""
    assert [each.name for each in ALL if each.card.alert is None] == ["policy_removed"]


def test_the_documentation_lists_them() -> None:
    """As `python -m chaos list --markdown` prints them."""
    assert as_markdown(ALL) in (REPOSITORY / "docs" / "drills.md").read_text()


def test_chaos_toolkit_takes_them() -> None:
    """By its own command, one for all: their form is the same."""
    program = Path(sys.executable).with_name("chaos")
    done = subprocess.run(
        [program, "validate", str(FOLDER / "worker_and_leader_killed.yaml")],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _argument(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["method"][0]["provider"]["arguments"][name] = value

    return change


def _card(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["extensions"][0].update({name: value})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_argument("verb", "kil"), "verb kil: there are kill, pause"),
        (_argument("component", "millrace_relay-1_1"), "component millrace_relay-1_1: there are gateway"),
        (_argument("verb", "memory_alarm"), "memory_alarm is a fault of rabbitmq, not of worker"),
        (_argument("options", {"cpus": 1}), "kill must be told nothing"),
        (_argument("deadline_seconds", 15), "deadline_seconds 15: the fault lasts 15 s"),
        (_argument("container", "x"), "not part of the function signature"),
        (_card("promises", ["P11"]), "promises"),
        (_card("promises", []), "promises"),
        (_card("runbook", "Nothing"), "runbook Nothing"),
        (_card("alert", "TargetDown"), "alert TargetDown"),
        (lambda document: document.pop("extensions"), "there must be one of the name millrace"),
        (lambda document: document["method"].pop(), "both must end with take_back"),
        (lambda document: document["method"].pop(1), "a fault without evidence proves nothing"),
        (lambda document: document.update(rollbacks=[]), "rollbacks"),
        (lambda document: document.pop("title"), "title"),
        (
            lambda document: document["steady-state-hypothesis"]["probes"][0].update(tolerance="anything"),
            "chaos.probes.whole must be asked",
        ),
    ],
)
def test_what_cannot_be_run_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], Any], said: str) -> None:
    """With the file and the reason."""
    document = yaml.safe_load((FOLDER / "worker_killed.yaml").read_text())
    change(document)
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(document))

    with pytest.raises(ExperimentError, match=r"mine\.yaml: ") as raised:
        read(file)
    assert said in str(raised.value)


def test_an_unknown_name_is_answered_with_those_that_are_known() -> None:
    """A typing mistake costs no look into the folder."""
    with pytest.raises(ExperimentError, match=r"no worker_kiled.yaml; there are .*worker_killed"):
        find("worker_kiled")
