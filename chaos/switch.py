"""The dead man's switch: a process of its own that takes a fault back, whatever becomes of the one that injected it.

`python -m chaos.switch` starts before the fault, in a session of its own, and is told the way back. It goes that way as
soon as its input ends, because the runner asked for it or died, or when the deadline comes, because the runner hangs.
The same process takes back every fault, so each drill proves that it works. It inherits the lock of the target, so no
other drill begins while it still has something to take back.
"""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from chaos.errors import SwitchError
from chaos.steps import Step, perform_all

#: A broker that has just been started refuses rabbitmqctl for half a minute.
TRIES = 60
_ARMED = "armed"


class Switch:
    """The runner's side: armed when made, and asked once to take everything back."""

    def __init__(self, undo: Sequence[Step], *, deadline_seconds: float, note: Path, lock: int) -> None:
        """Start the process and wait until it is armed. `note` keeps the way back until it was gone.

        Raises:
            SwitchError: it did not start, and nothing may be injected.
        """
        self._undo = tuple(undo)
        self._note = note
        self.deadline_at = time.time() + deadline_seconds
        write_note(note, undo)
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "chaos.switch", str(note), f"{deadline_seconds:g}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,  # neither Ctrl-C nor the end of a terminal reaches it
            pass_fds=(lock,), cwd=Path(__file__).parents[1],
        )  # fmt: skip
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        if self._process.stdout.readline().strip() != _ARMED:
            self._process.kill()
            self._process.communicate()
            note.unlink(missing_ok=True)
            raise SwitchError

    @property
    def alive(self) -> bool:
        """Whether it still waits, and has taken nothing back."""
        return self._process.poll() is None

    def take_back(self) -> list[str]:
        """Have it take everything back now; returns what went wrong.

        Steps may be repeated. If the deadline came while the fault was still being injected, the switch was too early;
        and if it was killed, this process has to stand in for it.
        """
        early = not self.alive
        said, _ = self._process.communicate()
        if early or self._process.returncode:
            write_note(self._note, self._undo)
            return undo_note(self._note)
        return [line for line in said.splitlines() if line]


def write_note(note: Path, undo: Sequence[Step]) -> None:
    """Write a way back down: a machine that loses power loses the switch too."""
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps([step.as_data() for step in undo]))


def undo_note(note: Path) -> list[str]:
    """Go the way that is written, and remove the note if it led back; returns what went wrong."""
    try:
        steps = [Step.from_data(data) for data in json.loads(note.read_text())]
    except FileNotFoundError:
        return []
    wrong = perform_all(steps, tries=TRIES)
    if not wrong:
        note.unlink(missing_ok=True)
    return wrong


def main(note: Path, deadline_seconds: float) -> None:
    """Wait for the end of the input or for the deadline, then go the way back."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    sys.stdout.write(f"{_ARMED}\n")
    sys.stdout.flush()
    select.select([sys.stdin], [], [], deadline_seconds)
    wrong = undo_note(note)
    with suppress(OSError):  # nobody may be there any more to read it
        sys.stdout.write("".join(f"{line}\n" for line in wrong))
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
