"""What a registry's refusal means to a person. tests/proofs/push asks a real one."""

from __future__ import annotations

from subprocess import CompletedProcess

import pytest

from infra.local import process
from infra.local.registry import Registry, RegistryError

REFERENCE = "registry.example.com:5000/millrace/millrace-app:1"
DIGEST = f"sha256:{'a' * 64}"


def _says(monkeypatch: pytest.MonkeyPatch, code: int, stdout: str, stderr: str) -> Registry:
    monkeypatch.setattr(process, "run", lambda *words, **_: CompletedProcess(words, code, stdout, stderr))
    return Registry("registry.example.com:5000/millrace")


@pytest.mark.parametrize(
    "prefix",
    [
        "https://registry.example.com/millrace",
        "registry.example.com/millrace/",
        "registry.example.com/Millrace",
        "registry.example.com/millrace:1",
        "a b",
        "",
    ],
)
def test_what_is_no_prefix_is_refused(prefix: str) -> None:
    """Docker would say that a reference has an invalid format, of a reference that the person never wrote."""
    with pytest.raises(RegistryError, match="write host/path"):
        Registry(prefix)


@pytest.mark.parametrize("prefix", ["localhost:5000", "127.0.0.1:5000/a/b", "1.dkr.ecr.eu-central-1.amazonaws.com/x"])
def test_what_may_be_a_prefix(prefix: str) -> None:
    """With a port, with folders, or neither."""
    assert Registry(prefix).reference("app", "1") == f"{prefix}/millrace-app:1"


@pytest.mark.parametrize(
    ("said", "way"),
    [
        ("no basic auth credentials", "docker login registry.example.com:5000"),
        ("denied: requested access to the resource is denied", "docker login registry.example.com:5000"),
        ("x509: certificate signed by unknown authority", "/etc/docker/certs.d/registry.example.com:5000/ca.crt"),
        ("http: server gave HTTP response to HTTPS client", "plain HTTP"),
        ("dial tcp 10.0.0.1:5000: connect: connection refused", "nobody answers there"),
        ("name unknown: The repository with name 'millrace-app' does not exist", "make one for each image first"),
        ("no space left on device", "no space left on device"),
    ],
)
def test_a_refused_push_says_what_to_do(monkeypatch: pytest.MonkeyPatch, said: str, way: str) -> None:
    """With the image, Docker's own last line, and the way out."""
    registry = _says(monkeypatch, 1, "The push refers to repository\n", f"warning\n{said}\n")

    with pytest.raises(RegistryError) as error:
        registry._digest(REFERENCE, process.run("docker"))

    assert REFERENCE in str(error.value)
    assert said in str(error.value)
    assert way in str(error.value)


@pytest.mark.parametrize("said", ["manifest unknown", "manifest for x:1 not found", "no basic auth credentials"])
def test_an_image_that_is_not_there_is_no_error(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """Whether it may be pushed, the push shows."""
    assert _says(monkeypatch, 1, "", f"Error response from daemon: {said}").digest(REFERENCE) is None


def test_a_registry_that_cannot_be_asked_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before an image is built for it. An authority that is unknown is not an image that is unknown."""
    for said in ("connection refused", "x509: certificate signed by unknown authority"):
        with pytest.raises(RegistryError, match=said):
            _says(monkeypatch, 1, "", f"Error response from daemon: {said}").digest(REFERENCE)


def test_the_digest_is_the_one_that_docker_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """`docker pull` and `docker push` write it differently."""
    assert _says(monkeypatch, 0, f"1: Pulling\nDigest: {DIGEST}\nStatus: ok\n", "").digest(REFERENCE) == DIGEST
    assert _says(monkeypatch, 0, f"1: digest: {DIGEST} size: 1\n", "").push("local", REFERENCE) == DIGEST
