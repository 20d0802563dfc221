"""Which images a stack file names: read before a push, written after it. All else in the file stays, comments too."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from infra.settings import load
from infra.settings.images import IMAGES, Images
from infra.settings.stack import Stack

KEY = f"{load.PROJECT}:images"
#: Wider than any line of a stack file, so that none is folded.
_WIDTH = 4096


def named(file: Path) -> Mapping[str, Any]:
    """What it says of images so far: registry, versions, digests; nothing in a new one.

    Raises:
        SettingsError: it is no stack file.
    """
    return _document(file)["config"].get(KEY) or {}


def stack(file: Path) -> Stack:
    """Its settings, as they will be once there are images: before the first push a stack file need not name any.

    Raises:
        SettingsError: another setting is wrong.
    """
    config = load.read_stack_file(file)
    broker = _document(file)["config"].get(f"{load.PROJECT}:broker")
    version = broker.get("version") if isinstance(broker, Mapping) else None
    versions = dict.fromkeys(IMAGES, "none") | {"rabbitmq": f"{version}-none"}
    digests = dict.fromkeys(IMAGES, f"sha256:{64 * '0'}")
    return load.parse({**config, KEY: json.dumps({"versions": versions, "digests": digests})}, file.name)


def write(file: Path, registry: str, versions: Mapping[str, str], digests: Mapping[str, str]) -> bool:
    """Name these images and no others; True if that changed the file."""
    document = _document(file)
    entry = document["config"].setdefault(KEY, {})
    before = Images.model_validate(entry) if entry.get("versions") else None
    entry["registry"] = registry
    for key, wanted in (("versions", versions), ("digests", digests)):
        named = entry.setdefault(key, {})
        for image in set(named) - set(wanted):
            del named[image]
        named.update(wanted)
    if Images.model_validate(entry) == before:
        return False
    text = io.StringIO()
    _yaml().dump(document, text)
    file.write_text(text.getvalue())
    return True


def _document(file: Path) -> Any:
    load.read_stack_file(file)
    return _yaml().load(file.read_text())


def _yaml() -> YAML:
    found = YAML()
    found.preserve_quotes = True
    found.width = _WIDTH
    # As `pulumi config set` indents lists.
    found.indent(mapping=2, sequence=4, offset=2)
    return found
