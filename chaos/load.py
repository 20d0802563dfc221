"""The load under which a drill runs: `python -m loadtests demo` in the background, until it is told to end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaos.errors import LoadError
from chaos.waiting import wait_until

#: Beyond the fault: a drill that hangs does not end the load, which then ends by itself.
_LONGEST_SECONDS = 400.0
#: The gate waits a minute for a stack that works off an earlier run.
_START_SECONDS = 180.0
#: After the last request: three minutes for what is left over, then the account.
_END_SECONDS = 420.0
#: While a drill keeps the gateway from answering, requests leave late, because earlier ones wait. A drill is about what
#: becomes of them and not about latency; how many were sent, another check of the load says.
_LATENESS_MILLISECONDS = 10_000
#: Of a ledger, bytes: answers have come, so the load is under way.
_UNDER_WAY_BYTES = 5000


class Load:
    """One run of the open-loop generator with its ledger. What a drill needs of it is in its files."""

    def __init__(
        self, folder: Path, *, rate: float, singles: float, fault_seconds: float, max_failed_share: float, mix: bool
    ) -> None:
        """Start it: it first waits until the stack is healthy and empty."""
        folder.mkdir(parents=True)
        self._folder = folder
        self._end = folder / "end"
        self._verdict = folder / "load.json"
        self._log = folder / "load.log"
        words = [
            "--no-fault", "--mix" if mix else "--no-mix", "--json",
            "--with-parent", "--until", str(self._end), "--seconds", f"{fault_seconds + _LONGEST_SECONDS:g}",
            "--rate", f"{rate:g}", "--singles", f"{singles:g}", "--max-failed", f"{max_failed_share:g}",
            "--lateness-ms", str(_LATENESS_MILLISECONDS), "--out", str(folder),
        ]  # fmt: skip
        with self._verdict.open("wb") as out, self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "loadtests", "demo", *words],
                stdout=out, stderr=log, stdin=subprocess.DEVNULL, cwd=Path(__file__).parents[1],
                start_new_session=True,  # Ctrl-C reaches the drill, which ends this in order
            )  # fmt: skip

    def wait_until_under_way(self) -> None:
        """Wait until requests are answered.

        Raises:
            LoadError: they are not.
        """

        def under_way() -> bool:
            answers = self._folder.glob("*/ledger/outcomes*")
            return self._process.poll() is not None or any(file.stat().st_size > _UNDER_WAY_BYTES for file in answers)

        if not wait_until(under_way, _START_SECONDS) or self._process.poll() is not None:
            self.stop()
            raise LoadError(self._last_words())

    def finish(self) -> Mapping[str, Any]:
        """Have it send no more, drain and account; returns its verdict.json.

        Raises:
            LoadError: there is none.
        """
        self._end.touch()
        try:
            self._process.wait(timeout=_END_SECONDS)
            content: Mapping[str, Any] = json.loads(self._verdict.read_bytes())
        except (subprocess.TimeoutExpired, json.JSONDecodeError) as error:
            self.stop()
            raise LoadError(self._last_words()) from error
        return content

    def stop(self) -> None:
        """End it without a verdict."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = self._log.read_text(errors="replace").strip().splitlines()
            return f"({self._log}) {' '.join(lines[-4:])}"
        return str(self._log)
