"""Deploys as a person does: by Pulumi, with the state that `make staging` keeps, and settings of the test's own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra import naming
from infra.lab.staging.engine import Engine
from infra.lab.staging.folder import Folder
from infra.lab.staging.place import Place
from infra.lab.staging.run import EngineError, Run
from infra.lab.staging.up import engine
from infra.local.state import State
from tests.harness.kubernetes.kubectl import Kubectl

Settings = dict[str, Any]


def _up(engine: Engine) -> None:
    os.setsid()
    with contextlib.suppress(EngineError, KeyboardInterrupt):
        engine.up()


@dataclass(frozen=True)
class Deployer:
    """Of one stack, to one cluster."""

    kubectl: Kubectl
    stack_file: Path
    folder: Path

    def up(self, change: Callable[[Settings], None] = lambda _: None, **options: Any) -> Run:
        """Deploy the stack, with its settings changed first.

        Raises:
            EngineError: it failed.
        """
        return self._engine(change).up(**options)

    @contextmanager
    def interrupted(self, change: Callable[[Settings], None]) -> Iterator[None]:
        """The same, until the block ends: then Ctrl-C."""
        process = multiprocessing.get_context("spawn").Process(target=_up, args=(self._engine(change),))
        process.start()
        try:
            yield
        finally:
            if process.pid is not None and process.is_alive():
                os.killpg(process.pid, signal.SIGINT)
            process.join()

    def preview(self) -> Run:
        """What a deployment would do."""
        return self._engine().preview()

    def refresh(self) -> Run:
        """What is not as Pulumi left it."""
        return self._engine().refresh()

    def destroy(self) -> Run:
        """Remove it."""
        return self._engine().destroy()

    def state(self) -> tuple[Path, dict[str, Any]]:
        """The folder of Pulumi's state, and the state with its secrets decrypted."""
        found = self._engine()
        return found.backend, found.state_in_clear()

    def _engine(self, change: Callable[[Settings], None] = lambda _: None) -> Engine:
        settings = yaml.safe_load(self.stack_file.read_text())
        change(settings["config"])
        # Pulumi's name for a stack is in its file's name.
        file = self.folder / self.stack_file.name
        file.write_text(yaml.safe_dump(settings, sort_keys=False))
        place = Place(self.kubectl.context)
        return engine(place, Folder.of(State.default()), file)

    def has_rolled_out(self) -> bool:
        """Whether every StatefulSet has its new pods: `pulumi up` may return before the last one has ended."""
        return all(
            one["status"].get("observedGeneration") == one["metadata"]["generation"]
            and one["status"].get("currentRevision") == one["status"].get("updateRevision")
            for one in self.kubectl.get("statefulsets", naming.NAMESPACE_DATA)
        )

    def pods(self) -> dict[str, set[str]]:
        """The running pods of each workload that were not told to end, by their unique ids: names come again."""
        found: dict[str, set[str]] = {}
        for namespace in naming.NAMESPACES:
            for pod in self.kubectl.get("pods", namespace):
                if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]:
                    name = pod["metadata"]["labels"].get("app.kubernetes.io/name", "")  # a probe has none
                    found.setdefault(name, set()).add(pod["metadata"]["uid"])
        return found
