"""API keys of the cluster's gateway: one for load tests, one for Prometheus. Made when those that are kept fail."""

from __future__ import annotations

import contextlib
import io
import re
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import contract
from app.contract import Scope
from infra import naming
from infra.cluster import operate
from infra.cluster.cluster import Cluster
from infra.cluster.objects import Ref, decoded, encoded
from infra.components.monitoring import GATEWAY_KEY
from infra.lab.staging.errors import StagingError
from infra.lab.staging.folder import Folder
from infra.local import files

PROMETHEUS = Ref("v1", "Secret", naming.NAMESPACE_APP, GATEWAY_KEY["name"])
#: No part of the stack's manifests: a deployment neither owns nor prunes it.
MANAGER = "millrace-staging"
#: In a pod's log the key stands among other lines.
_KEY = re.compile(r"\b[a-z]+_[0-9a-f]{8,}_[0-9a-f]{32,}\b")
_NO_SUCH_JOB = "/v1/jobs/00000000-0000-7000-8000-000000000000"
_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Wanted:
    """One key, and a request that tells whether the gateway knows it."""

    label: str
    file: Path
    scopes: tuple[Scope, ...]
    probe: str


def ensure(cluster: Cluster, folder: Folder, url: str) -> None:
    """Make the keys that do not work, and give Prometheus its own.

    Raises:
        StagingError: no key was made.
    """
    client = Wanted("staging-client", folder.client_key, (Scope.TASKS_WRITE, Scope.JOBS_READ), _NO_SUCH_JOB)
    metrics = Wanted("staging-prometheus", folder.prometheus_key, (Scope.METRICS_READ,), "/metrics")
    for key in (client, metrics):
        if not known(key, url, folder.public_ca):
            files.write(key.file, _created(cluster, key))
    _give(cluster, metrics.file.read_text().strip())


def known(key: Wanted, url: str, ca_file: Path) -> bool:
    """Whether the gateway takes the kept key: it does not when the database is another."""
    if not key.file.is_file():
        return False
    headers = {contract.HEADER_API_KEY: key.file.read_text().strip()}
    request = urllib.request.Request(url + key.probe, headers=headers)  # noqa: S310 - the URL is ours
    context = ssl.create_default_context(cafile=str(ca_file))
    try:
        with urllib.request.urlopen(request, context=context, timeout=_TIMEOUT_SECONDS):  # noqa: S310 - as above
            return True
    except urllib.error.HTTPError as error:
        return error.code not in {401, 403}
    except OSError as error:
        raise StagingError(f"the gateway does not answer on {url}: {error}") from None


def key_in(said: str) -> str | None:
    """The key, among whatever else a command said."""
    found = _KEY.findall(said)
    return str(found[-1]) if found else None


def _created(cluster: Cluster, key: Wanted) -> str:
    scopes = [part for scope in key.scopes for part in ("--scope", str(scope))]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = operate.operate(cluster, ["api-keys", "create", "--name", key.label, *scopes])
    made = key_in(said.getvalue())
    if code or made is None:
        # Not what it said: that may be half a key.
        raise StagingError(f"`api-keys create --name {key.label}` ended with {code} and printed no key")
    return made


def _give(cluster: Cluster, key: str) -> None:
    live = cluster.read(PROMETHEUS)
    if live is not None and decoded(live).get(GATEWAY_KEY["key"]) == key:
        return
    data = {GATEWAY_KEY["key"]: encoded(key)}
    if live is not None:
        cluster.replace(live | {"data": data}, MANAGER)
        return
    metadata = {
        "name": PROMETHEUS.name,
        "namespace": PROMETHEUS.namespace,
        "labels": {naming.LABEL_PART_OF: naming.PART_OF},
    }
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}
    cluster.create(body, MANAGER)
