"""`pulumi` for one stack of this checkout: the real engine, its state, passphrase and settings in one folder."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pulumi.automation import LocalWorkspace, PulumiCommand, Stack
from pulumi.automation.errors import CommandError
from pulumi.automation.events import EngineEvent

from infra.lab.plugins import programs
from infra.lab.staging import run, workdir
from infra.lab.staging.run import EngineError, Run
from infra.local import files
from infra.local.state import REPOSITORY

Note = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One stack. What each verb does is what the CLI's does; `note` gets its lines."""

    #: Kept between runs; without its state the objects of the cluster belong to nobody.
    folder: Path
    #: A Pulumi.<stack>.yaml. Its `config` is copied before each run.
    settings: Path
    stack: str = "staging"
    #: None where programs read KUBECONFIG or ~/.kube/config by themselves.
    kubeconfig: str | None = None
    #: The folder with the Pulumi.yaml.
    project: Path = REPOSITORY
    #: The policy pack that is asked, as docs/deployment.md says for every stack.
    policies: Path = REPOSITORY / "infra" / "policy"

    def up(self, note: Note = print, **options: Any) -> Run:
        """Make the cluster what the program says."""
        return self._act(lambda stack, **kwargs: stack.up(**kwargs, **self._policies, **options), note)

    def preview(self, note: Note = print, **options: Any) -> Run:
        """What `up` would do."""
        return self._act(lambda stack, **kwargs: stack.preview(diff=True, **kwargs, **self._policies, **options), note)

    def refresh(self, note: Note = print) -> Run:
        """Take what the cluster holds into the state."""
        return self._act(lambda stack, **kwargs: stack.refresh(**kwargs), note)

    def destroy(self, note: Note = print) -> Run:
        """Remove everything."""
        return self._act(lambda stack, **kwargs: stack.destroy(**kwargs), note)

    @property
    def backend(self) -> Path:
        """The state, its history and its backups."""
        return self.folder / "state"

    def state_in_clear(self) -> dict[str, Any]:
        """The state with its secrets decrypted."""
        return dict(self._stack.export_stack().deployment or {})

    @property
    def _policies(self) -> Mapping[str, Any]:
        return {"policy_packs": [str(self.policies)]}

    def _act(self, action: Callable[..., Any], note: Note) -> Run:
        workdir.configure(self._project, self.stack, self.settings)
        self._unlock()
        events: list[EngineEvent] = []
        printed: list[str] = []

        def said(line: str) -> None:
            printed.append(line)
            note(line.strip())

        try:
            action(self._stack, on_event=events.append, on_output=said, color="never")
        except CommandError as error:
            raise EngineError(run.read(events, str(error))) from None
        return run.read(events, "\n".join(printed))

    def _unlock(self) -> None:
        """Take away the lock of an engine that was killed. Its process is on this machine, as the state is."""
        for lock in self.backend.glob(f".pulumi/locks/organization/*/{self.stack}/*.json"):
            if not _lives(json.loads(lock.read_text())["pid"]):
                lock.unlink()

    @cached_property
    def _project(self) -> Path:
        files.folder(self.folder)
        self.backend.mkdir(exist_ok=True)
        folder = self.folder / "project"
        workdir.link(self.project, folder)
        workdir.configure(folder, self.stack, self.settings)
        return folder

    @cached_property
    def _stack(self) -> Stack:
        found = programs.environment()
        workspace = LocalWorkspace(
            work_dir=str(self._project),
            env_vars={**found, **self._environment},
            secrets_provider="passphrase",
            pulumi_command=PulumiCommand(str(programs.folder().parent)) if found else None,
        )
        return Stack.create_or_select(self.stack, workspace)

    @cached_property
    def _environment(self) -> Mapping[str, str]:
        phrase = self.folder / "passphrase"
        if not phrase.exists():
            files.write(phrase, secrets.token_urlsafe(32))
        return {
            "PULUMI_BACKEND_URL": self.backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(phrase),
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            **({"KUBECONFIG": self.kubeconfig} if self.kubeconfig else {}),
        }


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # On Linux a process that has ended is known until its parent asks about it; it has no command any more.
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return not Path("/proc").is_dir()
