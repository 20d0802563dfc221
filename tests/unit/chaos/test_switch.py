"""The dead man's switch goes the way back when it is asked, when nobody can ask any more, and at its deadline."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos import switch
from chaos.errors import StepFailedError
from chaos.steps import Step, perform
from chaos.switch import Switch, undo_note, write_note
from tests.harness.waiting import eventually

LONG_SECONDS = 1000.0


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[int]:
    """A file that the switch inherits."""
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def _touch(file: Path) -> Step:
    return Step(command=("touch", str(file)))


def _armed(folder: Path, lock: int, *steps: Step, deadline_seconds: float = LONG_SECONDS) -> Switch:
    return Switch(steps, deadline_seconds=deadline_seconds, note=folder / "1.undo.json", lock=lock)


def test_it_takes_back_when_it_is_asked(tmp_path: Path, lock: int) -> None:
    """All steps, and then nothing is left to do."""
    armed = _armed(tmp_path, lock, _touch(tmp_path / "a"), _touch(tmp_path / "b"))
    before = armed.alive  # for mypy an attribute that was asserted never changes
    assert before
    assert (tmp_path / "1.undo.json").exists()

    assert armed.take_back() == []

    assert not armed.alive
    assert (tmp_path / "a").exists()
    assert (tmp_path / "b").exists()
    assert not (tmp_path / "1.undo.json").exists()


def test_it_takes_back_at_its_deadline(tmp_path: Path, lock: int) -> None:
    """Although nobody asked and nobody died."""
    armed = _armed(tmp_path, lock, _touch(tmp_path / "a"), deadline_seconds=0.1)

    eventually((tmp_path / "a").exists, what="it went the way back")
    eventually(lambda: not armed.alive, what="it ended")
    assert armed.take_back() == []


def test_a_switch_that_was_killed_is_stood_in_for(tmp_path: Path, lock: int) -> None:
    """The runner knows the way back too."""
    armed = _armed(tmp_path, lock, _touch(tmp_path / "a"))
    armed._process.send_signal(signal.SIGKILL)

    assert armed.take_back() == []
    assert (tmp_path / "a").exists()


def test_a_fault_that_was_injected_after_the_deadline_is_taken_back_too(tmp_path: Path, lock: int) -> None:
    """The runner was so slow that the switch went the way back before there was anything to take back."""
    armed = _armed(tmp_path, lock, Step(command=("rm", "-f", str(tmp_path / "fault"))), deadline_seconds=0.05)
    eventually(lambda: not armed.alive, what="the deadline came")
    (tmp_path / "fault").touch()

    assert armed.take_back() == []
    assert not (tmp_path / "fault").exists()


def test_it_does_not_listen_to_those_who_would_end_it(tmp_path: Path, lock: int) -> None:
    """Ctrl-C in its terminal, a logout, a polite kill."""
    armed = _armed(tmp_path, lock, _touch(tmp_path / "a"))
    for each in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        armed._process.send_signal(each)

    assert armed.alive
    assert armed.take_back() == []


def test_a_step_that_fails_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be taken back is said, and stays written down for the next drill."""
    monkeypatch.setattr(switch, "TRIES", 1)
    note = tmp_path / "1.undo.json"
    write_note(note, [Step(command=("false",)), _touch(tmp_path / "a")])

    assert undo_note(note) == ["false: "]
    assert (tmp_path / "a").exists()
    assert note.exists()


def test_what_is_done_already_is_no_failure() -> None:
    """A container that is not paused needs no thaw."""
    says = ("sh", "-c", "echo Container 7 is not paused >&2; exit 1")
    assert perform(Step(command=says, already="is not paused")) == ""
    with pytest.raises(StepFailedError, match="7 is not paused"):
        perform(Step(command=says))
