"""No password, key or certificate is in git, in an image, in an environment or in a process's arguments."""

from __future__ import annotations

import json
import re
import subprocess

import docker
import pytest

from infra.local.state import REPOSITORY
from tests.harness import cleanup, images
from tests.harness.stack import Stack

_PEM = re.compile(rb"-----BEGIN (?:[A-Z ]*PRIVATE KEY|CERTIFICATE)-----[\r\n]+[A-Za-z0-9+/=]{20}")
#: In the images: any key but in the documentation and tests of libraries, which the build has removed. The world's
#: authorities, by which S3 elsewhere is known, are no secret.
_FIND_KEYS = r"""
find / -xdev -type f -not -path '/proc/*' -not -path '*/botocore/cacert.pem' \
    \( -name '*.key' -o -name '*.pem' -o -name '*_password' -o -name '*.jks' \
    -o -name '.erlang.cookie' -o -name 'id_rsa*' \) \
    -exec grep -lE 'PRIVATE KEY|^[0-9a-zA-Z_-]{32,}$' {} + 2>/dev/null || true
"""


def _secrets(stack: Stack) -> list[str]:
    files = (stack.state.secrets).rglob("*")
    named = [
        path for path in files if path.is_file() and (path.name.endswith("_password") or path.name == "erlang_cookie")
    ]
    found = [path.read_text().strip() for path in named]
    assert len(found) > 10
    return [*found, stack.api_key]


def test_no_password_in_what_docker_shows(single: Stack) -> None:
    """`docker inspect` and `docker top` of every container show no password, and neither do its logs."""
    secrets = _secrets(single)
    for name, machine in single.machines.items():
        machine.docker.reload()
        shown = json.dumps(machine.docker.attrs) + json.dumps(machine.docker.top(ps_args="axeww")) + machine.logs()
        assert not [secret for secret in secrets if secret in shown], f"{name} shows a secret"


def test_secret_files_are_private(single: Stack) -> None:
    """Every secret is a file of mode 0600 in a folder of mode 0700."""
    for path in single.state.secrets.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("image", ["APP", "RABBITMQ_43", "POSTGRESQL", "REDIS", "PROMETHEUS", "PGBOUNCER"])
def test_no_secret_in_images(image: str, single: Stack) -> None:
    """No image has a key, a password or a cookie in its files, its history or its environment."""
    reference = images.reference(image)
    client = docker.from_env()
    try:
        shown = json.dumps(client.images.get(reference).history()) + json.dumps(client.images.get(reference).attrs)
        assert not [secret for secret in _secrets(single) if secret in shown]
        container = client.containers.create(
            reference, ["-c", _FIND_KEYS], entrypoint="sh", user="root", network_mode="none", labels=cleanup.labels()
        )
        try:
            container.start()
            assert container.wait()["StatusCode"] == 0
            found = container.logs(stderr=False).decode()
        finally:
            # `run(remove=True)` would leave the image's anonymous volume behind.
            container.remove(force=True, v=True)
        assert not found.split(), found
    finally:
        client.close()


def test_no_secret_in_git(single: Stack) -> None:
    """No tracked file holds a private key, a certificate, or a secret of this run."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    secrets = [secret.encode() for secret in _secrets(single)]
    for name in listed.decode().split("\0"):
        path = REPOSITORY / name
        if not name or not path.is_file():
            continue
        content = path.read_bytes()
        assert not _PEM.search(content), f"{name} holds a key or certificate"
        assert not any(secret in content for secret in secrets), f"{name} holds a secret"
