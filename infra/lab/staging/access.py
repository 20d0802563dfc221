"""Reads the certificates and passwords that outsiders need out of the cluster's Secrets."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from app.contract import Role
from infra import naming
from infra.cluster.cluster import Cluster
from infra.cluster.objects import Ref, decoded
from infra.lab.staging.errors import StagingError
from infra.lab.staging.folder import Folder
from infra.local import files

#: Role and server; each has a user of that name there.
PASSWORDS = ((Role.AUDITOR, "postgresql"), (Role.OPERATOR, "rabbitmq"), (Role.FLOWER, "flower"))
_GATEWAY = Ref("v1", "Secret", naming.NAMESPACE_APP, "gateway-public-tls")
_INTERNAL = Ref("v1", "Secret", naming.NAMESPACE_DATA, naming.tls_secret(naming.AUTHORITY))


def write(cluster: Cluster, folder: Folder) -> None:
    """Write them all; a file that is right is not touched.

    Raises:
        StagingError: the cluster lacks one.
    """
    files.write(folder.internal_ca, _read(cluster, _INTERNAL)["ca.crt"])
    # A public authority signs without saying who it is: then it is one that this machine knows.
    files.write(folder.public_ca, _read(cluster, _GATEWAY).get("ca.crt") or _known_authorities())
    for role, server in PASSWORDS:
        secret = Ref("v1", "Secret", naming.NAMESPACE_APP, naming.passwords_secret(role))
        files.write(folder.password(role, server), _read(cluster, secret)[f"{server}_password"])


def _read(cluster: Cluster, ref: Ref) -> Mapping[str, str]:
    live = cluster.read(ref)
    if live is None:
        raise StagingError(f"{ref} is not there: deploy the stack first")
    return decoded(live)


def _known_authorities() -> str:
    known = ssl.get_default_verify_paths().cafile
    if known is None:
        raise StagingError(f"{_GATEWAY} names no authority (ca.crt), and this machine has no list of known ones")
    return Path(known).read_text()
