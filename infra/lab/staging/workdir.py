"""The folder that the engine works in: Pulumi.yaml and Pulumi.<stack>.yaml, written or copied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

#: Neither copied nor linked: Pulumi's files are written anew, the others are not the program's.
_LEFT_OUT = ("Pulumi.", ".git")


def link(source: Path, folder: Path) -> str:
    """A project's Pulumi.yaml, with links to all that lies beside it; returns the project's name."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        if not entry.name.startswith(_LEFT_OUT) and not (folder / entry.name).exists():
            (folder / entry.name).symlink_to(entry)
    project = _load(source / "Pulumi.yaml")
    _save(folder / "Pulumi.yaml", project)
    return str(project["name"])


def make(name: str, folder: Path) -> str:
    """A project whose program is a function of this process; returns its name."""
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder / "Pulumi.yaml", {"name": name, "runtime": "python"})
    return name


def configure(folder: Path, stack: str, settings: Path | None) -> None:
    """The stack's config from a Pulumi.<stack>.yaml. The salt of its secrets stays."""
    config = _load(settings).get("config", {}) if settings else {}
    file = folder / f"Pulumi.{stack}.yaml"
    _save(file, {**_load(file), "config": config})


def _load(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text()) or {} if file.exists() else {}


def _save(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(yaml.safe_dump(dict(content), sort_keys=False))
