"""The cluster as a person sees it: through kubectl, with the person's own rights."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.lab.toolchain import go_tool


@dataclass(frozen=True)
class Kubectl:
    """The program, and the kubeconfig's context that it uses; its current one, where there is none."""

    program: str
    context: str | None

    @classmethod
    def found(cls, context: str | None) -> Kubectl:
        """The machine's own, or the one that the toolchain builds."""
        return cls(shutil.which("kubectl") or str(go_tool("kubectl")), context)

    def words(self, *words: str) -> tuple[str, ...]:
        """A whole command, for those who start it themselves."""
        return (self.program, *(("--context", self.context) if self.context else ()), *words)

    def run(self, *words: str, input: str | None = None, timeout_seconds: float = 60) -> str:  # noqa: A002 - as subprocess says it
        """What it says.

        Raises:
            AssertionError: it failed; its own words are in the message.
        """
        done = self._done(words, input, timeout_seconds)
        if done.returncode:
            raise AssertionError(f"kubectl {' '.join(words)[:300]}: exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def get(self, kind: str, namespace: str | None = None, selector: str = "") -> list[dict[str, Any]]:
        """All objects of a kind, in one namespace or in none (those of the cluster)."""
        where = ("--namespace", namespace) if namespace else ()
        found: dict[str, Any] = json.loads(self.run("get", kind, *where, "--selector", selector, "--output", "json"))
        items: list[dict[str, Any]] = found["items"]
        return items

    def one(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        """An object by its name."""
        found: dict[str, Any] = json.loads(self.run("get", kind, name, "--namespace", namespace, "--output", "json"))
        return found

    def execute(
        self,
        namespace: str,
        pod: str,
        container: str,
        *command: str,
        input: str | None = None,  # noqa: A002 - as subprocess says it
        timeout_seconds: float = 60,
    ) -> tuple[int, str]:
        """Run a command in a container: its exit code and what it said."""
        interactive = ("--stdin",) if input is not None else ()
        words = ("exec", *interactive, "--namespace", namespace, pod, "--container", container, "--", *command)
        done = self._done(words, input, timeout_seconds)
        return done.returncode, done.stdout

    def _done(
        self, words: tuple[str, ...], said: str | None, timeout_seconds: float
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(*words),
            input=said,
            stdin=subprocess.DEVNULL if said is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
            cwd=Path(__file__).parent,
        )
