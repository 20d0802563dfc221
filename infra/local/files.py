"""Files that are whole or not there: written beside, then renamed. An interrupted start leaves no half of a key."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from infra.local.state import container_uid

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
PUBLIC_FILE = 0o644
PUBLIC_FOLDER = 0o755


def folder(path: Path, mode: int = PRIVATE_FOLDER) -> Path:
    """Make a folder of this mode, owned by the containers' user."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    _give_away(path)
    return path


def write(path: Path, content: str | bytes, mode: int = PRIVATE_FILE) -> bool:
    """Write what a file shall say; True if that changed it.

    An unchanged file is not touched, so that servers and bind mounts see no change where there is none.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.is_file() and path.read_bytes() == data:
        path.chmod(mode)
        _give_away(path)
        return False
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        _give_away(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return True


def _give_away(path: Path) -> None:
    """Root's files would be unreadable in a container that does not run as root."""
    if os.getuid() == 0:
        os.chown(path, container_uid(), container_uid())
