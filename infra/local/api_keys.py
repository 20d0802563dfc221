"""API keys of the local stack: one for programs that send events, one for Prometheus. Made once, then kept."""

from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from app import contract
from app.contract import Role, Scope
from infra.local import files
from infra.local.compose import Compose, ComposeError
from infra.local.folders import CLIENT
from infra.local.state import State

_NO_SUCH_JOB = "/v1/jobs/00000000-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class Key:
    """One key, and a request that tells whether the gateway knows it."""

    name: str
    folder: str
    file: str
    scopes: tuple[Scope, ...]
    probe: str

    def path(self, state: State) -> Path:
        """Where it is kept."""
        return state.secrets / self.folder / self.file


KEYS = (
    Key(
        "local-client",
        CLIENT.name,
        "api_key",
        (Scope.TASKS_WRITE, Scope.JOBS_READ),
        _NO_SUCH_JOB,
    ),
    Key(
        "local-prometheus",
        Role.PROMETHEUS,
        "gateway_api_key",
        (Scope.METRICS_READ,),
        "/metrics",
    ),
)


def gateway_url() -> str:
    """The published port of the gateway."""
    return f"https://localhost:{os.environ.get('MILLRACE_PORT_GATEWAY', '8443')}"


def known(key: Key, state: State) -> bool:
    """Whether the gateway takes the kept key: it does not after the data was removed."""
    path = key.path(state)
    if not path.is_file():
        return False
    context = ssl.create_default_context(cafile=str(state.secrets / CLIENT.name / "ca.crt"))
    headers = {contract.HEADER_API_KEY: path.read_text().strip()}
    request = urllib.request.Request(gateway_url() + key.probe, headers=headers)  # noqa: S310 - the URL is ours
    try:
        with urllib.request.urlopen(request, context=context, timeout=10):  # noqa: S310 - as above
            return True
    except urllib.error.HTTPError as error:
        return error.code not in {401, 403}


def ensure(compose: Compose, state: State) -> None:
    """Create the keys that the gateway does not know.

    Raises:
        ComposeError: the command did not print a key.
    """
    for key in KEYS:
        if known(key, state):
            continue
        scopes = [part for scope in key.scopes for part in ("--scope", str(scope))]
        said = compose.run(
            "run",
            "--rm",
            "--no-deps",
            "-T",
            "operator",
            "api-keys",
            "create",
            "--name",
            key.name,
            *scopes,
        )
        words = said.split()
        if not words:
            msg = f"`api-keys create --name {key.name}` printed no key"
            raise ComposeError(msg)
        # The key is the last word; log lines go to standard error.
        files.write(key.path(state), words[-1])
