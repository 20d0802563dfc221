"""Reads from the disk of the local stack's S3 server, without the application and without the server's own answer."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import docker
from docker.errors import NotFound

from loadtests.mix.far_side_container import container_of

_SERVICE = "objectstore"
_OBJECTS = "/var/lib/objectstore/objects/millrace/sha256"


@contextmanager
def stored_contents(project: str | None = None) -> Iterator[Callable[[str], bytes | None]]:
    """What returns the bytes under a key, None if there are none; of a Compose project.

    Raises:
        NotReadyError: the project has no S3 server.
    """
    engine = docker.from_env()
    try:
        container = container_of(engine, project or os.environ.get("MILLRACE_PROJECT", "millrace"), _SERVICE)

        def read(key: str) -> bytes | None:
            try:
                parts, _ = container.get_archive(f"{_OBJECTS}/{key}")
            except NotFound:
                return None
            with tarfile.open(fileobj=io.BytesIO(b"".join(parts))) as archive:
                found = archive.extractfile(key)
                return None if found is None else found.read()

        yield read
    finally:
        engine.close()
