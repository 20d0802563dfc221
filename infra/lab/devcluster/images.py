"""Images: the one that all addons run in, made here, and those of the application, copied out of Docker."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra.lab.devcluster.layout import Layout, Node
from infra.lab.devcluster.shell import run


def archive(name: str, program: bytes) -> bytes:
    """An image of one program at /pause, as `docker save` would write it.

    It keeps the namespaces of every pod, and the addons, whose programs are mounted from the toolchain's folder, run in
    it: so that nothing has to be packed and unpacked three times.
    """
    layer = _tar({"pause": program})
    configuration = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    return _tar({"layer.tar": layer, "config.json": configuration, "manifest.json": json.dumps(manifest).encode()})


def _tar(files: Mapping[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return whole.getvalue()


def load(node: Node, file: Path) -> None:
    """Import an archive into a node."""
    run(*_ctr(node), "images", "import", str(file))


def _ctr(node: Node) -> tuple[str, ...]:
    return ("ctr", f"--address={node.containerd}", "--namespace=k8s.io")


def present(node: Node) -> frozenset[str]:
    """The images that a node has."""
    return frozenset(run(*_ctr(node), "images", "list", "--quiet").split())


def full_name(image: str) -> str:
    """Docker leaves out its own registry; containerd and Kubernetes do not."""
    tagged = image if ":" in image.rpartition("/")[2] else f"{image}:latest"
    first, slash, _ = tagged.partition("/")
    if not slash:
        return f"docker.io/library/{tagged}"
    return tagged if "." in first or ":" in first or first == "localhost" else f"docker.io/{tagged}"


def load_from_docker(layout: Layout, names: Sequence[str]) -> tuple[str, ...]:
    """Copy images out of Docker into every node that lacks one of them; returns those that were copied.

    Raises:
        DevclusterError: Docker does not have them, or a node cannot take them.
    """
    wanted = {full_name(name): name for name in names}
    missing = {node: frozenset(wanted) - present(node) for node in layout.nodes}
    lacking = sorted(frozenset().union(*missing.values()))
    if not lacking:
        return ()
    file = layout.root / "images.tar"
    try:
        run("docker", "save", "--output", str(file), *(wanted[name] for name in lacking))
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda node: load(node, file), (node for node, names in missing.items() if names)))
    finally:
        file.unlink(missing_ok=True)
    return tuple(wanted[name] for name in lacking)
