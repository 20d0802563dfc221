"""The manifests of a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.checks.finding import CheckError, Finding


@dataclass(frozen=True)
class Manifest:
    """One document and where it stands."""

    file: str
    document: dict[str, Any]

    @property
    def kind(self) -> str:
        """Its kind, or nothing."""
        return str(self.document.get("kind") or "")

    @property
    def name(self) -> str:
        """Its name, or nothing."""
        return str(self.metadata.get("name") or "")

    @property
    def metadata(self) -> dict[str, Any]:
        """Its metadata, empty if it is not a mapping."""
        metadata = self.document.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    def finding(self, tool: str, where: str, what: str) -> Finding:
        """A fault of this manifest."""
        return Finding(self.file, self.kind, self.name, tool, where, what)


def files(folder: Path) -> tuple[Path, ...]:
    """All `*.yaml` below the folder.

    Raises:
        CheckError: there is none, so that a wrong path does not pass as faultless.
    """
    found = tuple(sorted(folder.rglob("*.yaml")))
    if not found:
        raise CheckError(f"{folder} has no *.yaml: render the manifests first")
    return found


def read(folder: Path) -> tuple[tuple[Manifest, ...], tuple[Finding, ...]]:
    """The documents, and a finding for each file that holds none or is no YAML (checkov passes over such files)."""
    manifests: list[Manifest] = []
    findings: list[Finding] = []
    for path in files(folder):
        file = str(path.relative_to(folder))
        try:
            documents = [document for document in yaml.safe_load_all(path.read_text()) if document is not None]
        except yaml.YAMLError as error:
            findings.append(Finding(file, "", "", "yaml", "", " ".join(str(error).split())))
            continue
        if not documents:
            findings.append(Finding(file, "", "", "yaml", "", "there is no manifest in it"))
        for document in documents:
            if isinstance(document, dict):
                manifests.append(Manifest(file, document))
            else:
                findings.append(Finding(file, "", "", "yaml", "", "this is no mapping, so no manifest"))
    return tuple(manifests), tuple(findings)
