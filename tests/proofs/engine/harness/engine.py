"""A stack on the real engine, in a folder of its own: state in files, a passphrase, stand-in providers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pulumi.automation import LocalWorkspace, PulumiCommand, Stack
from pulumi.automation.errors import CommandError
from pulumi.automation.events import EngineEvent

from infra.lab.plugins.language import Program, serving
from infra.lab.staging import run, workdir
from infra.lab.staging.run import EngineError, Run
from tests.proofs.engine.harness import plugins
from tests.proofs.engine.harness.kubernetes import STORE_VARIABLE
from tests.proofs.engine.harness.store import Store

#: Of tests only: what it protects lives as long as the test's folder.
PASSPHRASE = "of no stack but a test's"
#: What a cluster holds before anybody asks for anything.
NAMESPACES = ("default", "kube-system")


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One stack. Give it a program, or the folder of a project to run as the CLI runs it."""

    #: Empty; everything that the engine writes goes there.
    folder: Path
    stack: str = "test"
    #: A function that declares resources, run in this process.
    program: Program | None = None
    #: The folder of a Pulumi.yaml, whose program is run in another process.
    project: Path | None = None
    #: The project's name, where no Pulumi.yaml says it. Config keys begin with it.
    name: str = "millrace"
    #: A Pulumi.<stack>.yaml. Only its `config` counts: the secrets provider is the test's own.
    settings: Path | None = None
    namespaces: tuple[str, ...] = NAMESPACES
    #: Another stack, whose outputs this one reads: both are in one backend.
    below: Engine | None = None
    #: What other stand-ins need to know, as variables of the environment.
    variables: Mapping[str, str] = field(default_factory=dict)

    def running(self, program: Program) -> Engine:
        """The same stack with another program, as after a change of the code."""
        return replace(self, program=program)

    def preview(self, *packs: Path) -> Run:
        """What `up` would do, held against policy packs."""
        return self._act(lambda stack, **kwargs: stack.preview(diff=True, **kwargs), *packs)

    def up(self, *packs: Path) -> Run:
        """Makes the stack what the program says."""
        return self._act(lambda stack, **kwargs: stack.up(**kwargs), *packs)

    def refresh(self) -> Run:
        """Takes what the cluster holds into the state."""
        return self._act(lambda stack, **kwargs: stack.refresh(**kwargs))

    def preview_destroy(self) -> Run:
        """What `destroy` would do; `pulumi destroy` asks for it first, unless it is told not to."""
        return self._act(lambda stack, **kwargs: stack.preview_destroy(**kwargs))

    def destroy(self) -> Run:
        """Removes everything, without a preview."""
        return self._act(lambda stack, **kwargs: stack.destroy(**kwargs))

    @property
    def backend(self) -> Path:
        """The folder of the state, its history and its backups."""
        return self.below.backend if self.below else self.folder / "backend"

    @property
    def cluster(self) -> Store:
        """What the Kubernetes stand-in holds."""
        return Store(self.folder / "cluster.json")

    def state(self) -> dict[str, Any]:
        """The state as it lies on the disk, secrets encrypted."""
        (file,) = (self.backend / ".pulumi/stacks").glob(f"*/{self.stack}.json")
        return dict(json.loads(file.read_text())["checkpoint"]["latest"])

    def state_in_clear(self) -> dict[str, Any]:
        """The state with its secrets decrypted."""
        return dict(self._stack.export_stack().deployment or {})

    def outputs(self) -> Mapping[str, Any]:
        """The stack's outputs, secrets included."""
        return {key: output.value for key, output in self._stack.outputs().items()}

    def _act(self, action: Callable[..., Any], *packs: Path) -> Run:
        # Anew each time: a test changes its settings as a person does, in the file.
        workdir.configure(self._project, self.stack, self.settings)
        events: list[EngineEvent] = []
        printed: list[str] = []
        options: dict[str, Any] = {"on_event": events.append, "on_output": printed.append}
        if packs:
            options["policy_packs"] = [str(pack) for pack in packs]
        with serving(self.program) as port:
            # Without a program the engine starts the plugin.
            attach = {"PULUMI_DEBUG_LANGUAGES": f"python:{port}"} if self.program else {}
            self._stack.workspace.env_vars = {**self._environment, **attach}
            try:
                action(self._stack, **options)
            except CommandError as error:
                raise EngineError(run.read(events, str(error))) from error
        return run.read(events, "\n".join(printed))

    @cached_property
    def _project(self) -> Path:
        folder = self.folder / "project"
        plugins.install(self.folder, language=self.program is None)
        self.cluster.begin(self.namespaces)
        self.backend.mkdir(exist_ok=True)
        if self.project:
            workdir.link(self.project, folder)
        else:
            workdir.make(self.name, folder)
        workdir.configure(folder, self.stack, self.settings)
        return folder

    @cached_property
    def _stack(self) -> Stack:
        workspace = LocalWorkspace(
            work_dir=str(self._project),
            pulumi_home=str(self.folder / "home"),
            env_vars=self._environment,
            secrets_provider="passphrase",
            pulumi_command=PulumiCommand(str(self.folder)),
        )
        return Stack.create_or_select(self.stack, workspace)

    @cached_property
    def _environment(self) -> dict[str, str]:
        return {
            **plugins.environment(self.folder / "bin"),
            "PULUMI_BACKEND_URL": self.backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            STORE_VARIABLE: str(self.cluster.file),
            **self.variables,
        }
