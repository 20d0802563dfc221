"""A folder of rendered manifests, as dicts."""

from __future__ import annotations

from pathlib import Path

import yaml

from infra.policy.model import Manifest


class FolderError(Exception):
    """A folder or file that cannot be read as manifests; the message says which, and why."""


def load(folder: Path) -> tuple[Manifest, ...]:
    """Every manifest of every YAML file below it, in the order of the files' names; Lists are opened.

    Raises:
        FolderError: no such folder, no manifest in it, or something that is no manifest.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".yaml", ".yml"})
    manifests = tuple(manifest for file in files for manifest in _documents(file))
    if not manifests:
        raise FolderError(f"{folder}: no manifests here; `make render` writes them")
    return manifests


def _documents(file: Path) -> list[Manifest]:
    try:
        documents = [document for document in yaml.safe_load_all(file.read_text()) if document is not None]
    except yaml.YAMLError as error:
        raise FolderError(f"{file}: {error}") from error
    opened: list[Manifest] = []
    for document in documents:
        if not isinstance(document, dict) or "kind" not in document:
            raise FolderError(f"{file}: holds a document without a kind, which is no manifest")
        opened += document["items"] if document["kind"] == "List" else [document]
    return opened
