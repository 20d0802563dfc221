"""A stack on a real API server, deployed by our own code: in this process, or as the command that a person gives."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from rich.console import Console

from infra import naming
from infra.checks.schemas.store import crd_documents
from infra.deploy import plan
from infra.deploy.cluster import Cluster
from infra.deploy.destroy import Removal, destroy
from infra.deploy.objects import Ref, decoded
from infra.deploy.plan import Action, Step
from infra.deploy.progress import Progress
from infra.deploy.up import Wishes, preview, up
from infra.devcluster.waiting import until
from infra.render.program import REPOSITORY, Program
from tests.proofs.api_server.api_server import ApiServer

STACK = "staging"
ACCEPTED = (409,)
Change = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Deployment:
    """One API server, and a folder for what this test writes."""

    server: ApiServer
    cluster: Cluster
    folder: Path

    def settings(self, change: Change = lambda _: None) -> Path:
        """Staging's settings with one thing changed, in a file of their own."""
        document = yaml.safe_load((REPOSITORY / f"Pulumi.{STACK}.yaml").read_text())
        change(document["config"])
        path = self.folder / "settings.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    def program(self, change: Change = lambda _: None) -> Program:
        """Staging, with one thing changed."""
        return Program.of(STACK, self.settings(change))

    def up(self, change: Change = lambda _: None, **wishes: Any) -> tuple[Step, ...]:
        """Deploy; no pod ever runs here, so nothing is waited for unless it is asked for."""
        return up(self.cluster, self.program(change), Wishes(**({"wait": False} | wishes)), quiet("up"))

    def preview(self, change: Change = lambda _: None, **wishes: Any) -> tuple[Step, ...]:
        """What a deployment would do."""
        return preview(self.cluster, self.program(change), Wishes(**wishes)).steps

    def destroy(self, *, purge: bool = False, seconds: float = 120) -> Removal:
        """Remove it."""
        return destroy(self.cluster, self.program(), quiet("destroy"), seconds=seconds, purge=purge)

    def command(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        """`python -m infra.deploy ...`, as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "infra.deploy", *words],
            cwd=REPOSITORY,
            env=os.environ
            | {"KUBECONFIG": str(self.server.kubeconfig), "MILLRACE_STATE_DIR": str(self.folder / "state")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **more,
        )

    def run(self, *words: str) -> tuple[int, str]:
        """The same, to its end."""
        process = self.command(*words)
        output, _ = process.communicate(timeout=240)
        return process.returncode, output

    def read(self, ref: Ref) -> dict[str, Any]:
        """An object that must be there."""
        live = self.cluster.read(ref)
        assert live is not None, f"{ref} is not there"
        return live

    def state(self) -> Mapping[Ref, Any]:
        """Everything that we applied: what it says, and when we last changed what of it."""
        return {one.ref: _applied(self.read(one.ref)) for one in plan.ours(self.cluster, STACK)}

    def passwords(self) -> dict[str, dict[str, str]]:
        """The values of all Secrets in our namespaces."""
        return {
            f"{namespace}/{one['metadata']['name']}": decoded(one)
            for namespace in naming.NAMESPACES
            for one in self.cluster.listed("v1", "Secret", namespace)
        }


def _applied(live: dict[str, Any]) -> Any:
    ours = [one for one in live["metadata"]["managedFields"] if one["manager"] == naming.MANAGER]
    # Scalers and controllers write into the rest by themselves.
    return ours, live.get("data"), live.get("immutable")


def changes(steps: tuple[Step, ...]) -> dict[str, str]:
    """What was not left alone."""
    return {str(step.ref): str(step.action) for step in steps if step.action is not Action.UNCHANGED}


def quiet(title: str) -> Progress:
    """Nobody looks."""
    return Progress(Console(file=io.StringIO()), title)


def prepare(api: client.ApiClient) -> None:
    """The neighbours' kinds and namespaces, as a cluster for Millrace has them."""
    extensions = client.ApiextensionsV1Api(api)
    for crd in crd_documents():
        _unless_there(extensions.create_custom_resource_definition, crd)
    _unless_there(client.CoreV1Api(api).create_namespace, {"metadata": {"name": "cert-manager"}})

    def established() -> bool:
        found = extensions.list_custom_resource_definition().items
        return all(
            any(one.type == "Established" and one.status == "True" for one in crd.status.conditions or ())
            for crd in found
        )

    until("every CRD is established", established, 60)


def _unless_there(create: Callable[[Any], Any], body: Any) -> None:
    try:
        create(body)
    except ApiException as error:
        if error.status not in ACCEPTED:
            raise
