"""The long load with its drills: one process sends and accounts, others break things meanwhile."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.kubernetes_target import kubernetes_target, read_settings

#: Between two drills, so that the effects of one are over when the next begins.
_CALM_SECONDS = 5.0
#: The load's own steps before it sends anything: the gate, its connections.
_START_SECONDS = 180.0


@dataclass(frozen=True)
class Evidence:
    """What a drill said, all its lines in one; times are Unix seconds."""

    drill: str
    exit_code: int
    said: Mapping[str, Any]

    @property
    def ended_at(self) -> float:
        """When all was well again; never, if it was not."""
        return float(self.said.get("recovered_at", float("inf")))

    @property
    def began_at(self) -> float:
        """When the fault came."""
        return float(self.said.get("injected_at", float("inf")))


@dataclass(frozen=True)
class Campaign:
    """How it went."""

    verdict: Mapping[str, Any]
    folder: Path
    drills: tuple[Evidence, ...]


class Load:
    """`python -m loadtests demo` in the background, without a fault of its own."""

    def __init__(self, out: Path, *, seconds: float, rate: float, singles: float) -> None:
        """Start it."""
        self._out = out
        self._log = out / "loadtests.log"
        out.mkdir(parents=True, exist_ok=True)
        words = ("--seconds", f"{seconds:g}", "--rate", f"{rate:g}", "--singles", f"{singles:g}", "--out", str(out))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "loadtests", "demo", "--target", "kubernetes", "--no-fault", *words),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    @property
    def started(self) -> bool:
        """Whether requests are being sent.

        Raises:
            AssertionError: it ended instead.
        """
        assert self._process.poll() is None, f"the load ended before it began:\n{self._log.read_text()[-3000:]}"
        return any(self._out.glob("*/started"))

    @property
    def sends(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def finish(self, within: float) -> tuple[Path, Mapping[str, Any]]:
        """Wait for its end; its folder and verdict.

        Raises:
            AssertionError: it wrote none.
        """
        self._process.wait(timeout=within)
        folder = (self._out / "latest").resolve()
        file = folder / "verdict.json"
        assert file.is_file(), f"no verdict:\n{self._log.read_text()[-3000:]}"
        return folder, json.loads(file.read_text())

    def stop(self) -> None:
        """End it, however far it is."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=60)


def drill(environment: Mapping[str, str], *words: str) -> Evidence:
    """Run a drill to its end."""
    done = subprocess.run(
        (sys.executable, "-m", "chaos", "--target", "kubernetes", *words),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    said: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        said |= json.loads(line)
    if done.returncode and "error" not in said:
        said["error"] = done.stderr[-2000:]
    return Evidence(" ".join(words), done.returncode, said)


def run(out: Path, drills: tuple[tuple[str, ...], ...], *, seconds: float, rate: float, singles: float) -> Campaign:
    """The load, and the drills one after the other until they are done; the load must outlast them."""
    with contextlib.ExitStack() as stack:
        reached = stack.enter_context(kubernetes_target(read_settings()))
        load = Load(out, seconds=seconds, rate=rate, singles=singles)
        stack.callback(load.stop)
        deadline = time.monotonic() + _START_SECONDS
        while not load.started:
            assert time.monotonic() < deadline, "the load has not begun"
            time.sleep(0.5)
        evidence = []
        for words in drills:
            time.sleep(_CALM_SECONDS)
            evidence.append(drill(reached.chaos_environment, *words))
            with (out / "drills.jsonl").open("a") as file:
                file.write(json.dumps(dataclasses.asdict(evidence[-1])) + "\n")
        assert load.sends, "the load ended before the last drill did: lengthen it"
        folder, verdict = load.finish(seconds + 600)
        return Campaign(verdict, folder, tuple(evidence))
