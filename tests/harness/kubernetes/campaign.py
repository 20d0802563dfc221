"""A load with its drills: one process sends and accounts, others break things, and the load ends when they have."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from loadtests.history import Attempt, History, Outcome
from loadtests.kubernetes_target import kubernetes_target, read_settings
from loadtests.ledger import read_ledger
from loadtests.verdict import Weight
from tests.harness.waiting import eventually

#: The load's share of what the cluster was seen to sustain just before: the rest is for pods that start.
SHARE = 0.4
#: Events a second at the most, and how many of these are sent alone.
RATE, SINGLES = 300.0, 10.0
#: No load outlives its drills; this only ends one that nobody ends any more.
LONGEST_SECONDS = 3000.0
#: Between two drills, so that the effects of one are over when the next begins.
_CALM_SECONDS = 5.0
#: The load's own steps before it sends anything: the gate, the trial and its drain, connections.
_START_SECONDS = 300.0
#: From the request to end to the verdict: the last answers, the drain, the account.
_END_SECONDS = 600.0
_FAILED = (Outcome.REFUSED, Outcome.UNKNOWN)
#: Of the verdict's own; which requests may fail is said window by window.
_REFUSALS = "requests were accepted"


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

    def holds(self, attempt: Attempt) -> bool:
        """Whether the request was due while the fault or its end lasted."""
        return self.began_at <= attempt.intent.intended_at <= self.ended_at


@dataclass(frozen=True)
class Campaign:
    """How it went."""

    verdict: Mapping[str, Any]
    folder: Path
    drills: tuple[Evidence, ...]

    @cached_property
    def history(self) -> History:
        """Every request, and what became of it."""
        return read_ledger(self.folder / "ledger")

    def summary(self) -> Iterator[str]:
        """For people: the rate and why it was this one, the account, and a line a drill."""
        options, verdict = self.verdict["options"], self.verdict
        yield (
            f"load: {options['events_per_second']:.0f} events/s, {options['share']:g} of the "
            f"{options['sustained_events_per_second']:.0f} sustained just before or the most; verdict "
            f"{verdict['verdict']} {'; '.join(verdict['reasons'])}"
        )
        names = ("accepted", "executed", "lost", "duplicated_effects", "dead_lettered", "unknown")
        yield "account: " + ", ".join(f"{verdict[name]} {name}" for name in names)
        yield from self.windows()

    def windows(self) -> Iterator[str]:
        """What each drill met."""
        for drill in self.drills:
            sent, accepted, failed = self._counts(drill)
            well = "well again after" if drill.ended_at <= self._load_ended_at else "not well again in"
            yield (
                f"{drill.drill}: {well} {self._seconds(drill):.0f} s; meanwhile {sent} events sent, "
                f"{accepted} accepted, {failed} requests failed; {self._idle(drill)}"
            )

    def assert_healed(self) -> None:
        """Each drill says when it began, that it was confirmed, and that all was well again."""
        for each in self.drills:
            assert each.exit_code == 0, f"{each.drill}: {each.said.get('error')}"
            assert each.said["injected_at"] <= each.said["confirmed_at"] <= each.said["recovered_at"], each.drill

    def assert_exact(self) -> None:
        """No check of the account is red, and nothing is dead-lettered.

        A generator that was late (VOID) is not red: whether each drill met load, `assert_load_in_every_window` says.
        """
        broken = [
            f"{check['name']}: {check['detail']}"
            for check in self.verdict["checks"]
            if check["weight"] == Weight.FAIL and not check["ok"] and check["name"] != _REFUSALS
        ]
        said = "\n".join(self.windows())
        assert not broken, f"{'; '.join(broken)}\n{said}"
        dead = self.verdict["dead_letter_reasons"]
        assert not self.verdict["dead_lettered"], f"dead letters: {dead}\n{said}"
        accepted, executed = self.verdict["accepted"], self.verdict["executed"]
        assert accepted == executed > 0, f"{accepted} accepted, {executed} executed\n{said}"

    def assert_load_in_every_window(self) -> None:
        """A drill that met few events has shown little: half of the rate at least, and some of it accepted."""
        least = self.verdict["options"]["events_per_second"] / 2
        idle = []
        for drill in self.drills:
            sent, accepted, _ = self._counts(drill)
            if not accepted or sent < least * self._seconds(drill):
                idle.append(drill.drill)
        assert not idle, f"too little load under {', '.join(idle)}\n" + "\n".join(self.windows())

    def assert_refused_only_in(self, allowed: Iterable[tuple[float, float]]) -> None:
        """Each request without a 202 was due in a time that is named, bounded and ended."""
        windows = list(allowed)
        failed = [
            attempt
            for attempt in self.history.with_outcome(*_FAILED)
            if not any(begin <= attempt.intent.intended_at <= end for begin, end in windows)
        ]
        results = (attempt.result for attempt in failed)
        how = Counter(f"{each.outcome} {each.status} {(each.error or '').strip()[:80]}" for each in results)
        assert not failed, f"{len(failed)} from {failed[0].intent.intended_at}: {how}; allowed: {windows}"

    @property
    def _load_ended_at(self) -> float:
        return float(self.verdict["load_ended_at"])

    def _seconds(self, drill: Evidence) -> float:
        """How long it lasted; one that did not heal, until the end of the load."""
        return min(drill.ended_at, self._load_ended_at) - drill.began_at

    def _idle(self, drill: Evidence) -> str:
        """For how long nothing was executed, of lists and of single events: either may hide that the other rests."""
        line, started_at = self.verdict["timeline"], self.verdict["started_at"]
        began, ended = (int(at - started_at) for at in (drill.began_at, min(drill.ended_at, self._load_ended_at)))
        lists, all_ = line["executed_of_lists"][began:ended], line["executed"][began:ended]
        singles = [every - in_lists for every, in_lists in zip(all_, lists, strict=True)]
        return f"at most {_zeros(lists)} s on end without a list, {_zeros(singles)} s without a single event"

    def _counts(self, drill: Evidence) -> tuple[int, int, int]:
        """Events sent and events accepted while it lasted, and requests without a 202."""
        met = [attempt for attempt in self.history.attempts if drill.holds(attempt)]
        accepted = [attempt for attempt in met if attempt.outcome is Outcome.ACCEPTED]
        sent = [attempt for attempt in met if attempt.outcome is not Outcome.NOT_SENT]
        return _events(sent), _events(accepted), sum(attempt.outcome in _FAILED for attempt in met)


def _zeros(counts: Iterable[int]) -> int:
    """How many zeros there are on end, at most."""
    return max((len(list(run)) for count, run in groupby(counts) if not count), default=0)


def _events(attempts: Iterable[Attempt]) -> int:
    return sum(len(attempt.intent.effects) for attempt in attempts)


class Load:
    """`python -m loadtests demo` in the background, without a fault of its own, until it is ended."""

    def __init__(self, out: Path, *, rate: float = RATE, singles: float = SINGLES, share: float = SHARE) -> None:
        """Start it; first it tries what the cluster sustains, and sends the share of it, `rate` at the most."""
        self._out = out
        self._log = out / "loadtests.log"
        self._end = out / "end"
        out.mkdir(parents=True, exist_ok=True)
        words = ["--seconds", f"{LONGEST_SECONDS:g}", "--until", str(self._end), "--share", f"{share:g}"]
        words += ("--rate", f"{rate:g}", "--singles", f"{singles:g}", "--out", str(out))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "loadtests", "demo", "--target", "kubernetes", "--no-fault", *words),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def wait_for_start(self) -> None:
        """Wait until requests are being sent.

        Raises:
            AssertionError: it ended instead, for instance because the machine is too slow, or took too long.
        """

        def started() -> bool:
            self._assert_runs("it began")
            return any(self._out.glob("*/started"))

        try:
            eventually(started, within=_START_SECONDS, every=0.5, what="the load begins")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._said()}") from None

    def finish(self, drills: Iterable[Evidence] = ()) -> Campaign:
        """End it, and wait for its account.

        Raises:
            AssertionError: it had ended before, it does not end, or it wrote no verdict.
        """
        self._assert_runs("it was ended")
        self._end.touch()
        try:
            self._process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{_END_SECONDS:g} s after its end the load still runs:\n{self._said()}") from None
        folder = (self._out / "latest").resolve()
        file = folder / "verdict.json"
        assert file.is_file(), f"no verdict:\n{self._said()}"
        verdict = json.loads(file.read_text())
        unfinished = [reason for reason in verdict["reasons"] if reason.startswith("generator finished")]
        assert not unfinished, f"{unfinished}\n{self._said()}"
        return Campaign(verdict, folder, tuple(drills))

    def stop(self) -> None:
        """End it, however far it is."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=60)

    def _assert_runs(self, until: str) -> None:
        code = self._process.poll()
        if code is not None:
            raise AssertionError(f"the load ended with exit code {code} before {until}:\n{self._said()}")

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]


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


def run(out: Path, drills: Iterable[tuple[str, ...]]) -> Campaign:
    """The load, and the drills one after the other; then its end and its account."""
    with contextlib.ExitStack() as stack:
        reached = stack.enter_context(kubernetes_target(read_settings()))
        load = Load(out)
        stack.callback(load.stop)
        load.wait_for_start()
        evidence = []
        for words in drills:
            time.sleep(_CALM_SECONDS)
            evidence.append(drill(reached.chaos_environment, *words))
            with (out / "drills.jsonl").open("a") as file:
                file.write(json.dumps(dataclasses.asdict(evidence[-1])) + "\n")
        return load.finish(evidence)
