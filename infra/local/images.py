"""Builds the images. A tag is a hash of everything that goes in: an image that exists is the image that is wanted."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app import contract
from infra.lab.toolchain import ToolError, build as toolchain, go_tool, tools
from infra.local import files, process
from infra.local.state import CONTAINER_UID, REPOSITORY, State, container_uid
from infra.servers.rabbitmq.cluster import VERSIONS, RabbitMQVersion

DOCKERFILES = REPOSITORY / "infra" / "images"

#: Where hosts keep their certificate authorities, for programs that ask the environment, and for those that do not.
_CA_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CA_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
#: Docker passes these to a build without an ARG, and keeps them out of the image.
_PROXY_VARIABLES = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
#: Not in the hash: it differs from machine to machine, and is in no image.
_CA_BUNDLE = "ca-bundle.crt"


class ImageError(Exception):
    """An image could not be built; the log named here says why."""


@dataclass(frozen=True)
class Image:
    """What one image is made of."""

    name: str
    #: A stable second name for people and tests: `millrace-<name>:<label>`.
    label: str
    #: Seconds, with nothing cached (2 cores).
    usual: float
    arguments: Mapping[str, str] = field(default_factory=dict)
    #: Files and folders of the repository that the Dockerfile copies.
    sources: tuple[str, ...] = ()
    #: Go programs (infra/lab/toolchain) that the image copies.
    programs: tuple[str, ...] = ()
    needs_ca: bool = False
    #: For pods, which run as one user everywhere; a local container runs as the person, whose secrets it reads.
    for_pods: bool = False

    @property
    def uid(self) -> int:
        """Of the user in it."""
        return CONTAINER_UID if self.for_pods else container_uid()

    @property
    def alias(self) -> str:
        """`millrace-rabbitmq:4.3`."""
        return f"millrace-{self.name}:{self.label}{'' if self.uid == container_uid() else '-pods'}"


def rabbitmq_image(version: RabbitMQVersion) -> Image:
    """One broker version."""
    return Image("rabbitmq", version, 16, {"RABBITMQ_VERSION": version})


APP = Image("app", "latest", 30, sources=("pyproject.toml", "uv.lock", "app"), needs_ca=True)
POSTGRESQL = Image("postgresql", "17", 14)
REDIS = Image("redis", "8", 5)
OBJECTSTORE = Image("objectstore", "1.8", 95, programs=("versitygw",))
PROMETHEUS = Image("prometheus", "2", 8)
#: For drills: it runs only beside what one breaks (chaos/network_faults.py).
NETFAULT = Image(contract.NETFAULT_NAME, contract.NETFAULT_VERSION, 8, sources=("chaos/netfault",))
#: Not in the local stack: it is for many processes, and there are few here.
PGBOUNCER = Image("pgbouncer", "1.24", 8)

#: Not in the local stack either, unless SQS is its broker.
MINISTACK = Image(
    "ministack", "1.5", 25,
    sources=("infra/lab/aws/ministack/pyproject.toml", "infra/lab/aws/ministack/uv.lock"), needs_ca=True,
)  # fmt: skip


def all_images(versions: tuple[RabbitMQVersion, ...] = VERSIONS) -> tuple[Image, ...]:
    """Every image: what the tests need, and what runs on Kubernetes."""
    return (*local_images(versions), PGBOUNCER)


def local_images(versions: tuple[RabbitMQVersion, ...]) -> tuple[Image, ...]:
    """The images of compose.yaml, slowest first."""
    return (
        OBJECTSTORE,
        APP,
        *(rabbitmq_image(version) for version in versions),
        POSTGRESQL,
        PROMETHEUS,
        NETFAULT,
        REDIS,
    )


def _walk(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for child in sorted(path.rglob("*")):
        if child.is_file() and "__pycache__" not in child.parts and child.suffix != ".pyc":
            yield child


def context_files(image: Image) -> dict[str, Path]:
    """What a build sees: name in the context, file in the repository."""
    own = DOCKERFILES / image.name
    found = {str(path.relative_to(own)): path for path in _walk(own)}
    for source in image.sources:
        found |= {str(path.relative_to(REPOSITORY)): path for path in _walk(REPOSITORY / source)}
    return found


def without_tools(pyproject: str) -> str:
    """pyproject.toml without the settings of linters and tests: a new rule for ruff must not reinstall the packages."""
    kept, keep = [], True
    for line in pyproject.splitlines(keepends=True):
        if line.startswith("["):
            table = line.lstrip("[")
            keep = not table.startswith("tool.") or table.startswith("tool.uv")
        if keep:
            kept.append(line)
    return "".join(kept)


def _content(path: Path) -> bytes:
    return without_tools(path.read_text()).encode() if path.name == "pyproject.toml" else path.read_bytes()


def tag(image: Image) -> str:
    """`millrace-app:<hash>` of the context, the arguments and the user."""
    digest = hashlib.sha256(f"{sorted(image.arguments.items())} {image.uid}".encode())
    for name, path in sorted(context_files(image).items()):
        digest.update(f"\0{name}\0".encode())
        digest.update(_content(path))
    for program in image.programs:
        digest.update(toolchain.key(tools.find(program)).encode())
    return f"millrace-{image.name}:{digest.hexdigest()[:12]}"


def exists(reference: str) -> bool:
    """Whether Docker has it."""
    return process.run("docker", "image", "inspect", reference).returncode == 0


def ca_bundle() -> bytes:
    """The host's certificate authorities; empty where none are found, and the image's own are used."""
    for candidate in (
        *(os.environ.get(name, "") for name in _CA_VARIABLES),
        *_CA_FILES,
    ):
        if candidate and Path(candidate).is_file():
            return Path(candidate).read_bytes()
    return b""


def build_arguments(image: Image, reference: str) -> list[str]:
    """`--build-arg` of a build. Proxies by name only: Docker takes their values from the environment."""
    arguments = {**image.arguments, "MILLRACE_UID": str(image.uid)}
    if image.name == APP.name:
        arguments["MILLRACE_VERSION"] = reference.partition(":")[2]
    named = [f"{name}={value}" for name, value in arguments.items()]
    named += [name for name in _PROXY_VARIABLES if os.environ.get(name)]
    return [part for argument in named for part in ("--build-arg", argument)]


def _make_context(image: Image, state: State, reference: str) -> Path:
    path = state.build / reference.replace(":", "-")
    shutil.rmtree(path, ignore_errors=True)
    for name, source in context_files(image).items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_content(source))
        target.chmod(0o644)
    for program in image.programs:
        shutil.copy(go_tool(program), path / program)
    if image.needs_ca:
        (path / _CA_BUNDLE).write_bytes(ca_bundle())
    # A checkout's modes, and those of new folders, depend on the person's umask; the image must not.
    for folder in (path, *(one for one in path.rglob("*") if one.is_dir())):
        folder.chmod(0o755)
    return path


def build(image: Image, state: State, *, fresh: bool = False) -> str:
    """Build what is not there yet; returns the tag.

    Raises:
        ImageError: the build failed.
    """
    reference = tag(image)
    if fresh or not exists(reference):
        files.folder(state.logs, files.PUBLIC_FOLDER)
        log = state.logs / f"build-{image.name}-{image.label}.log"
        try:
            context = _make_context(image, state, reference)
        except ToolError as error:
            raise ImageError(f"{image.alias} could not be built: {error}") from error
        command = [
            "docker",
            "build",
            "--tag",
            reference,
            *build_arguments(image, reference),
        ]
        command += ["--no-cache"] if fresh else []
        with log.open("wb") as output:
            done = process.run(*command, str(context), output=output)
        shutil.rmtree(context, ignore_errors=True)
        if done.returncode != 0:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
            msg = f"{tail}\n\n{image.alias} could not be built; the whole log is in {log}"
            raise ImageError(msg)
    process.run("docker", "tag", reference, image.alias, check=True)
    return reference
