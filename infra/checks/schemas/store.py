"""The schemas as files in ~/.cache/millrace/schemas, made once for each set of sources and state of this code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.checks.schemas import crds, kubernetes
from infra.checks.schemas.sources import CRDS, KUBERNETES, SWAGGER
from infra.lab.toolchain import go_module
from infra.lab.toolchain.cache import cache, digest, made_once
from infra.lab.toolchain.progress import step
from infra.local.progress import Steps

#: Where kubeconform looks for a kind, below the folder.
TEMPLATE = "{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"
CRD_FILE = "crds.json"


def schema_location(steps: Steps | None = None) -> str:
    """What kubeconform wants as its `-schema-location`."""
    return f"{_folder(steps)}/{TEMPLATE}"


def crd_documents(steps: Steps | None = None) -> list[dict[str, Any]]:
    """All CRDs as manifests, for a real API server."""
    found: list[dict[str, Any]] = json.loads((_folder(steps) / CRD_FILE).read_text())
    return found


def _folder(steps: Steps | None) -> Path:
    folder = cache() / "schemas" / key()
    if not folder.is_dir():
        made_once(folder, lambda out: _make(out, steps))
    return folder


def key() -> str:
    """Names the sources and the code that converts them."""
    code = sorted(Path(__file__).parent.glob("*.py"))
    return digest((repr((KUBERNETES, CRDS)).encode(), *(file.read_bytes() for file in code)))


def _make(out: Path, steps: Steps | None) -> None:
    swagger_file = go_module(KUBERNETES, steps) / SWAGGER
    folders = [go_module(source.module, steps) / source.folder for source in CRDS]
    with step("convert the schemas of Kubernetes and the CRDs", 15, steps):
        swagger = json.loads(swagger_file.read_text())
        found = [
            crd
            for folder in folders
            for file in sorted(folder.glob("*.yaml"))
            for crd in crds.documents(file.read_text())
        ]
        made = kubernetes.schemas(swagger) | crds.schemas(found, kubernetes.definitions(swagger))
        (out / CRD_FILE).write_text(json.dumps(found))
        for name, schema in made.items():
            file = out / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps(schema))
