"""One load a stack at a time: the oracle counts every effect, and those of a second load came from nowhere."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.errors import NotReadyError


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a folder of the stack's state; the lock ends with the process, however it ends, and leaves no file.

    Raises:
        NotReadyError: another load has it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"Another load runs against this stack ({folder} is locked): wait for its end."
            raise NotReadyError(message) from error
        yield
    finally:
        os.close(descriptor)
