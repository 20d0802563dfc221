"""target.json: how load tests, drills and end-to-end tests reach the stack, which may not know anything of infra."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from app.contract import Role
from infra.lab.staging.folder import Folder
from infra.lab.staging.place import Place
from infra.local import files
from infra.local.state import REPOSITORY


def content(place: Place, folder: Folder, *, gateway_url: str, stack_file: Path, kubectl: str) -> dict[str, Any]:
    """All paths are absolute: who reads it may be anywhere."""
    link = ["env", f"PYTHONPATH={REPOSITORY}", sys.executable, "-m", "infra.lab.devcluster", "link"]
    return {
        "gateway_url": gateway_url,
        "ca_file": str(folder.public_ca),
        "internal_ca_file": str(folder.internal_ca),
        "api_key_file": str(folder.client_key),
        "auditor_password_file": str(folder.password(Role.AUDITOR, "postgresql")),
        "operator_password_file": str(folder.password(Role.OPERATOR, "rabbitmq")),
        "flower_password_file": str(folder.password(Role.FLOWER, "flower")),
        "kubeconfig": place.kubeconfig,
        "context": place.context,
        "kubectl": kubectl,
        "stack_file": str(stack_file.resolve()),
        # Followed by a node's name and `up` or `down`: only on our own cluster can a cable be pulled.
        **({"node_link_command": link} if place.is_devcluster else {}),
    }


def write(folder: Folder, found: dict[str, Any]) -> None:
    """Write it, last of all: where it is, everything that it names is there too."""
    files.write(folder.target, json.dumps(found, indent=1) + "\n", files.PUBLIC_FILE)
