"""Plain Locust with the scenarios, as a process of its own: its gevent patches must not reach other tests."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.harness.stack import Stack
from tests.harness.waiting import PATIENCE_SECONDS, eventually

REPOSITORY = Path(__file__).parents[2]
#: What the check at the end of a run says of it.
_ACCEPTED = re.compile(r"Closed loop: ([\d,]+) jobs and batches accepted: (.*)")


class Locust:
    """One Locust process, and what it has written."""

    def __init__(self, log: Path, words: tuple[str, ...], environment: dict[str, str]) -> None:
        """Start it."""
        self._log = log
        command = [str(Path(sys.executable).with_name("locust")), "-f", "loadtests/scenarios", *words]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_", "MILLRACE_"))}
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command, cwd=REPOSITORY, env=kept | environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )

    @property
    def said(self) -> str:
        """All that it wrote so far."""
        return self._log.read_text(errors="replace")

    @property
    def checks(self) -> list[tuple[int, str]]:
        """Of each run that it checked how much was accepted, and what became of it."""
        return [(int(count.replace(",", "")), ends) for count, ends in _ACCEPTED.findall(self.said)]

    def interrupt(self) -> None:
        """As by Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Wait for its end; returns its exit code. A trace in its output is never right."""
        eventually(lambda: self.process.poll() is not None, what=f"Locust ends; it said:\n{self.said[-2000:]}")
        assert "Traceback" not in self.said
        return int(self.process.returncode)

    def close(self) -> None:
        """Leave no process."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=PATIENCE_SECONDS)


def access(stack: Stack) -> dict[str, str]:
    """All that a user of the scenarios has to know, beside the URL."""
    return {"MILLRACE_API_KEY": stack.api_key, "MILLRACE_CA_FILE": str(stack.ca_file)}


def jobs(stack: Stack) -> int:
    """How many jobs there are."""
    return int(stack.query("SELECT count(*) FROM jobs")[0][0])
