"""`make push` to a registry: by somebody who is not root, once and again, with a login, with its own authority."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import docker
import pytest
import yaml
from rich.console import Console

from infra.local import images, pod_images, push as pushing
from infra.local.progress import Steps
from infra.local.registry import RegistryError
from infra.local.state import REPOSITORY, State
from infra.settings.load import parse, read_stack_file
from infra.workloads import RUN_AS_USER
from tests.proofs.push.conftest import forget
from tests.proofs.push.registries import Server, serving, with_authority, with_login

_SOMEBODY = 1000
_TRUSTED = Path("/etc/docker/certs.d")


def _as_somebody() -> tuple[str, ...]:
    """Not root, in Docker's group; with the right to read, as this checkout and its Python may be root's."""
    group = Path("/var/run/docker.sock").stat().st_gid
    return (
        *("setpriv", f"--reuid={_SOMEBODY}", f"--regid={_SOMEBODY}", f"--groups={group}"),
        *("--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search", "env", "HOME=/nonexistent"),
    )


def _push(*words: str, folder: Path, user: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*user, sys.executable, "-m", "infra.local", "push", *words),
        cwd=REPOSITORY,
        env={**os.environ, "MILLRACE_STATE_DIR": str(folder / "state")},
        capture_output=True,
        text=True,
        check=False,
    )


def _stack_file(folder: Path) -> Path:
    file = folder / "Pulumi.staging.yaml"
    file.write_text((REPOSITORY / file.name).read_text())
    return file


@pytest.fixture(scope="module")
def pushed(registry: Server) -> Iterator[tuple[Path, str]]:
    """The stack file after the first push, and what the push said."""
    user = _as_somebody() if os.getuid() == 0 else ()
    # Not pytest's own folder, which nobody but root may enter.
    with tempfile.TemporaryDirectory(prefix="millrace-push-") as path:
        folder = Path(path)
        file = _stack_file(folder)
        if user:
            for one in (folder, file):
                os.chown(one, _SOMEBODY, _SOMEBODY)
        words = ("staging", "--registry", f"{registry.host}/team", "--stack-file", str(file))
        done = _push(*words, folder=folder, user=user)
        assert done.returncode == 0, done.stdout + done.stderr
        yield file, done.stdout
    if user:
        own = [f"{image.alias}-pods" for image in pod_images.wanted("4.3")]
        subprocess.run(("docker", "image", "rm", *own), capture_output=True, check=True)


def _images(file: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = yaml.safe_load(file.read_text())["config"]["millrace:images"]
    return found


def test_the_stack_file_names_what_the_registry_has(registry: Server, pushed: tuple[Path, str]) -> None:
    """Each image under its version, and by the digest that the registry itself gives it."""
    file, said = pushed

    named = _images(file)
    assert "pushed 6 images; Pulumi.staging.yaml names them now" in said
    assert set(named["versions"]) == {"app", "rabbitmq", "postgresql", "redis", "pgbouncer", "objectstore"}
    for name, version in named["versions"].items():
        assert registry.digest(f"team/millrace-{name}", version) == named["digests"][name]
    assert parse(read_stack_file(file), file.name).images.registry == f"{registry.host}/team"


def test_the_images_run_as_the_user_of_pods(registry: Server, pushed: tuple[Path, str]) -> None:
    """Not as the one who built them."""
    for name, version in _images(pushed[0])["versions"].items():
        reference = f"{registry.host}/team/millrace-{name}:{version}"
        inspected = subprocess.run(
            ("docker", "image", "inspect", "--format", "{{.Config.User}}", reference),
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert inspected.stdout.strip().partition(":")[0] in {str(RUN_AS_USER), "millrace"}, name


def test_a_second_push_changes_nothing(registry: Server, pushed: tuple[Path, str], folder: Path) -> None:
    """Neither in the registry nor in the stack file, whose registry is taken when none is named."""
    file, _ = pushed
    before = file.read_bytes(), file.stat().st_mtime_ns, registry.files()

    done = _push("staging", "--stack-file", str(file), folder=folder)

    assert done.returncode == 0, done.stderr
    assert "the registry has all of its images; Pulumi.staging.yaml names them already" in done.stdout
    assert "build " not in done.stdout
    assert (file.read_bytes(), file.stat().st_mtime_ns, registry.files()) == before


def test_an_image_that_changed_is_pushed_and_no_other(
    pushed: tuple[Path, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever mends one image does not restart the pods of the others (I1)."""
    before = _images(pushed[0])
    file = folder / "Pulumi.staging.yaml"
    file.write_text(pushed[0].read_text())
    tag = images.tag
    monkeypatch.setattr(images, "tag", lambda image: f"{tag(image)}{'-mended' * (image.name == 'redis')}")
    monkeypatch.setattr(
        pushing, "build_images", lambda _state, _steps, missing: {one.name: tag(one) for one in missing}
    )

    done = _in_process(file, folder)

    after = _images(file)
    assert [reference.rpartition("/")[2].partition(":")[0] for reference in done.references] == ["millrace-redis"]
    changed = {name for name, version in after["versions"].items() if version != before["versions"][name]}
    assert changed == {"redis"}


def _in_process(file: Path, folder: Path, prefix: str | None = None) -> pushing.Pushed:
    state = State(folder / "state")
    state.root.mkdir(exist_ok=True)
    with Steps(state, Console(file=StringIO())) as steps:
        return pushing.push(file, prefix, state, steps)


@pytest.fixture
def redis_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """One small image is enough where the registry is what is tested."""
    wanted = pod_images.wanted
    monkeypatch.setattr(pod_images, "wanted", lambda version: [one for one in wanted(version) if one.name == "redis"])


@pytest.mark.usefixtures("redis_only")
def test_without_a_login_it_says_how_to_log_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And writes nothing; with the login it pushes."""
    monkeypatch.setenv("DOCKER_CONFIG", str(folder / "docker"))
    file = _stack_file(folder)
    before = file.read_bytes()
    with serving(folder, settings=with_login(folder, "somebody", "word")) as server:
        with pytest.raises(RegistryError, match=f"docker login {server.host}"):
            _in_process(file, folder, f"{server.host}/team")
        assert file.read_bytes() == before

        login = ("docker", "login", "--username", "somebody", "--password-stdin", server.host)
        subprocess.run(login, input="word", text=True, check=True, capture_output=True)
        assert len(_in_process(file, folder, f"{server.host}/team").references) == 1
        forget(server.host)

    assert file.read_bytes() != before


@pytest.mark.usefixtures("redis_only")
@pytest.mark.skipif(os.getuid() != 0, reason="only root may tell Docker whom to trust")
def test_an_authority_that_docker_does_not_know_is_named(folder: Path) -> None:
    """With the place for its certificate; there, Docker finds it."""
    # Of Docker's own bridge. The first daemon of a machine does not name its gateway.
    subnet = docker.from_env().networks.get("bridge").attrs["IPAM"]["Config"][0]["Subnet"]
    gateway = str(next(ipaddress.ip_network(subnet).hosts()))
    file = _stack_file(folder)
    with serving(folder, address=gateway, settings=with_authority(folder, gateway)) as server:
        trusted = _TRUSTED / server.host / "ca.crt"
        with pytest.raises(RegistryError, match=str(trusted)):
            _in_process(file, folder, f"{server.host}/team")

        trusted.parent.mkdir(parents=True)
        try:
            trusted.write_bytes((folder / "ca.crt").read_bytes())
            assert len(_in_process(file, folder, f"{server.host}/team").references) == 1
            assert _in_process(file, folder).references == ()
        finally:
            trusted.unlink(missing_ok=True)
            trusted.parent.rmdir()
            with contextlib.suppress(OSError):  # others are trusted, too
                _TRUSTED.rmdir()
            forget(server.host)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("stagin", "--registry", "localhost:1/x"), "there is no stack 'stagin'; there are: "),
        (("staging",), "names no registry: say REGISTRY=host/path"),
        (("staging", "--registry", "https://localhost:1/x"), "write host/path"),
        (("staging", "--registry", "127.0.0.1:1/x"), "nobody answers there"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_built(words: tuple[str, ...], said: str, folder: Path) -> None:
    """With exit code 1 and no traceback."""
    done = _push(*words, folder=folder)

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "build " not in done.stdout
