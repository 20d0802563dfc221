"""Generated passwords of a deployment without Pulumi: one Secret in the cluster, written once, then only added to."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from infra import naming
from infra.components.passwords import LENGTH
from infra.deploy.cluster import Cluster
from infra.deploy.errors import DeployError, RefusedError
from infra.deploy.objects import Ref, decoded, encoded

NAME = "millrace-generated"
REF = Ref("v1", "Secret", naming.NAMESPACE_APP, NAME)
#: Not the one of the manifests: an apply of those must never own, and so never remove, a key of this.
MANAGER = "millrace-generated"
_ALPHABET = string.ascii_letters + string.digits
#: How many others may come first.
_ATTEMPTS = 20


def new() -> str:
    """One value, as pulumi_random would make it."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))


def read(cluster: Cluster) -> Mapping[str, str] | None:
    """All values by logical name; None if there is no such Secret."""
    live = cluster.read(REF)
    return None if live is None else decoded(live)


def ensure(cluster: Cluster, names: Iterable[str], stack: str) -> Mapping[str, str]:
    """Generate what is missing and keep what is there. Two that do so at once end with the same values.

    Raises:
        DeployError: others write it all the time.
    """
    wanted = sorted(set(names))
    for _ in range(_ATTEMPTS):
        live = cluster.read(REF)
        values = decoded(live or {})
        missing = [name for name in wanted if name not in values]
        if not missing:
            return values
        data = {**((live or {}).get("data") or {}), **{name: encoded(new()) for name in missing}}
        try:
            if live is None:
                cluster.create(_body(stack) | {"data": data}, MANAGER)
            else:
                cluster.replace(live | {"data": data}, MANAGER)
        except RefusedError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
    raise DeployError(f"{REF} is written by others all the time; deploy again")


def _body(stack: str) -> dict[str, Any]:
    # Without the label of what we apply: pruning goes by it.
    labels = {naming.LABEL_NAME: NAME, naming.LABEL_PART_OF: naming.PART_OF, naming.LABEL_STACK: stack}
    metadata = {"name": NAME, "namespace": naming.NAMESPACE_APP, "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque"}
