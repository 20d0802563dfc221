"""Registries on this machine: distribution's, each on a folder and a port of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import httpx

from infra.lab.toolchain import go_tool
from infra.local import certificates
from tests.harness.ports import free_port
from tests.harness.waiting import eventually

_CONFIG = 'version: "0.1"\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: /set/by/environment}}\n'
#: Any manifest that there is; without it a registry answers with one of an older form.
_MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.oci.image.index.v1+json"
)


@dataclass(frozen=True)
class Server:
    """One that listens."""

    host: str
    folder: Path

    def digest(self, repository: str, tag: str) -> str | None:
        """What it says of an image, past Docker."""
        answer = httpx.head(f"http://{self.host}/v2/{repository}/manifests/{tag}", headers={"Accept": _MANIFESTS})
        return answer.headers.get("Docker-Content-Digest")

    def files(self) -> dict[str, int]:
        """Everything that it keeps, and since when."""
        return {str(path): path.stat().st_mtime_ns for path in self.folder.rglob("*") if path.is_file()}


@contextmanager
def serving(folder: Path, *, address: str = "127.0.0.1", settings: Mapping[str, str]) -> Iterator[Server]:
    """A registry until the end of the block; `settings` are variables of distribution's."""
    host = f"{address}:{free_port()}"
    config = folder / "config.yml"
    config.write_text(_CONFIG)
    (kept := folder / "images").mkdir()
    environment = {
        "REGISTRY_HTTP_ADDR": host,
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(kept),
        "OTEL_TRACES_EXPORTER": "none",
        **settings,
    }
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            (go_tool("registry"), "serve", str(config)), env=environment, stdout=log, stderr=log
        ) as process,
    ):
        try:
            scheme = "https" if "REGISTRY_HTTP_TLS_KEY" in settings else "http"
            with httpx.Client(verify=False) as client:  # noqa: S501 - whether anybody is there, not who
                eventually(
                    lambda: client.get(f"{scheme}://{host}/v2/").status_code in {200, 401},
                    what=f"the registry at {host} answers: {folder / 'log'}",
                    tolerate=(httpx.HTTPError,),
                )
            yield Server(host, kept)
        finally:
            process.terminate()


def with_login(folder: Path, user: str, password: str) -> dict[str, str]:
    """It asks for this user and this password."""
    file = folder / "htpasswd"
    file.write_text(f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n")
    return {"REGISTRY_AUTH_HTPASSWD_REALM": "millrace", "REGISTRY_AUTH_HTPASSWD_PATH": str(file)}


def with_authority(folder: Path, address: str) -> dict[str, str]:
    """It speaks TLS with a certificate of an authority that only `ca.crt` of the folder knows."""
    authority = certificates.make_authority()
    pair = certificates.make_leaf(authority, (address,))
    for name, content in (("ca.crt", authority.certificate), ("tls.crt", pair.certificate), ("tls.key", pair.key)):
        (folder / name).write_bytes(content)
    return {
        "REGISTRY_HTTP_TLS_CERTIFICATE": str(folder / "tls.crt"),
        "REGISTRY_HTTP_TLS_KEY": str(folder / "tls.key"),
    }
