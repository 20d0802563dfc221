"""Deploys as a person does: `python -m infra.deploy`, with a stack file of the test's own, and reads its `--json`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra import naming
from tests.harness.kubernetes.kubectl import Kubectl

#: One workload after the other may have to roll on two cores.
_SECONDS = 900.0
Settings = dict[str, Any]


@dataclass(frozen=True)
class Deployed:
    """How a deployment ended."""

    exit_code: int
    counts: dict[str, int]
    #: The objects that it changed: kind, namespace/name.
    changed: frozenset[str]
    said: str


@dataclass(frozen=True)
class Deployer:
    """Of one stack, to one cluster."""

    kubectl: Kubectl
    stack_file: Path
    folder: Path

    def up(self, change: Callable[[Settings], None] | None = None, *words: str) -> Deployed:
        """Deploy the stack, with its settings changed first."""
        return self._run("up", change, "--engine", "direct", *words)

    def destroy(self, *words: str) -> Deployed:
        """Remove it."""
        return self._run("destroy", None, "--engine", "direct", *words)

    def _run(self, verb: str, change: Callable[[Settings], None] | None, *words: str) -> Deployed:
        settings = yaml.safe_load(self.stack_file.read_text())
        if change is not None:
            change(settings["config"])
        # Pulumi's name for a stack is in its file's name.
        file = self.folder / self.stack_file.name
        file.write_text(yaml.safe_dump(settings, sort_keys=False))
        context = ("--context", self.kubectl.context) if self.kubectl.context else ()
        command = ("-m", "infra.deploy", verb, "staging", "--stack-file", str(file), *context, *words, "--json")
        done = subprocess.run((sys.executable, *command), capture_output=True, text=True, check=False, timeout=_SECONDS)
        summary = json.loads(done.stdout) if done.stdout.strip() else {"counts": {}, "objects": []}
        changed = frozenset(each["object"] for each in summary["objects"] if each["action"] == "change")
        return Deployed(done.returncode, summary["counts"], changed, done.stderr)

    def pods(self) -> dict[str, set[str]]:
        """The pods of each workload, by their unique ids: another pod of the same name is another one."""
        found: dict[str, set[str]] = {}
        for namespace in naming.NAMESPACES:
            for pod in self.kubectl.get("pods", namespace):
                if pod["status"]["phase"] == "Running":
                    name = pod["metadata"]["labels"].get("app.kubernetes.io/name", "")  # a probe has none
                    found.setdefault(name, set()).add(pod["metadata"]["uid"])
        return found
