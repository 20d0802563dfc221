"""The same cluster from kind's images, where Docker can pull them: three workers, the same addons.

Its nodes are Docker's containers, so it needs no root. Network policies are enforced by kind's own network.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml

from infra.lab.devcluster import addons, images
from infra.lab.devcluster.apply import Applier
from infra.lab.devcluster.connect import connected
from infra.lab.devcluster.node import PAUSE_IMAGE
from infra.lab.devcluster.shell import run
from infra.lab.devcluster.waiting import until
from infra.lab.toolchain import go_tool
from infra.local.progress import Steps
from infra.local.state import State

NAME = "millrace"
#: The version that the rest of the project is checked against.
IMAGE = "kindest/node:v1.34.0"
#: kind brings network, DNS and a storage class of its own.
ADDONS = ("metrics-server", "cert-manager", "keda")
#: They sign their own certificates.
ITS_KUBELETS = "--kubelet-insecure-tls"
_PULL_SECONDS = 300
_READY_SECONDS = 300


def kubeconfig() -> Path:
    """The administrator's."""
    return State.default().root / "kind.kubeconfig"


def settings(folders: Sequence[Path], workers: int = 3) -> str:
    """What kind shall make: workers that see the folders of the addons' programs where the host has them."""
    mounts = [{"hostPath": str(path), "containerPath": str(path), "readOnly": True} for path in folders]
    node = {"image": IMAGE, "extraMounts": mounts}
    kinds = ("control-plane", *(["worker"] * workers))
    nodes = [{"role": role, **node} for role in kinds]
    return yaml.safe_dump({"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "name": NAME, "nodes": nodes})


def usable() -> bool:
    """Whether Docker has kind's image or can pull it; where no registry answers, that is known in a second."""
    command = ("docker", "pull", "--quiet", IMAGE)
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=_PULL_SECONDS).returncode == 0  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False


def exists() -> bool:
    """Whether one is there."""
    return kubeconfig().is_file()


def up(steps: Steps) -> None:
    """Start it if there is none, and wait until all of it works."""
    programs = {name: go_tool(name, steps) for name in addons.PROGRAMS}
    if not exists():
        with steps.step("kind makes the nodes", 60):
            text = settings(sorted({path.parent for path in programs.values()}))
            run(*_kind(), "create", "cluster", "--config=-", f"--kubeconfig={kubeconfig()}", text=text)
    with steps.step("addons", 30), connected(kubeconfig()) as api:
        _load_pause()
        applier = Applier(api)
        for name in ADDONS:
            applier.apply(addons.manifests(name, programs.__getitem__, kubelets=ITS_KUBELETS))
        until("the addons work", lambda: not applier.unready(), _READY_SECONDS, explain=lambda: str(applier.unready()))


def down(steps: Steps) -> None:
    """Remove it."""
    with steps.step("kind removes the nodes", 5):
        run(*_kind(), "delete", "cluster", f"--name={NAME}", f"--kubeconfig={kubeconfig()}")
        kubeconfig().unlink(missing_ok=True)


def load_images(names: Sequence[str]) -> None:
    """Copy images from Docker into every node."""
    run(*_kind(), "load", "docker-image", f"--name={NAME}", *names)


def _load_pause() -> None:
    file = State.default().root / "pause.tar"
    file.write_bytes(images.archive(PAUSE_IMAGE, go_tool("pause").read_bytes()))
    run(*_kind(), "load", "image-archive", f"--name={NAME}", str(file))
    file.unlink()


def _kind() -> tuple[str, ...]:
    return (str(go_tool("kind")),)
