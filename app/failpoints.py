"""Named places where a test may have a process die: the moments between two systems that no test hits by chance.

`MILLRACE_CRASH_AT=name` kills the process with SIGKILL the first time it passes there. The folder of
`MILLRACE_CRASH_MARKER` remembers that it happened, so that the process that takes its place lives on. Without the
variable a failpoint costs one look at a module constant.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from pathlib import Path


class Failpoint(StrEnum):
    """Every place that can be named."""

    RELAY_AFTER_CLAIM = "relay-after-claim"
    RELAY_AFTER_CONFIRM = "relay-after-confirm"
    WORKER_MIDDLE_OF_BATCH = "worker-middle-of-batch"
    WORKER_AFTER_COMMIT = "worker-after-commit"
    WORKER_AFTER_RETRY_PUBLISH = "worker-after-retry-publish"
    WORKER_AFTER_CHORD_CLAIM = "worker-after-chord-claim"
    WORKER_AFTER_CHORD_BODY = "worker-after-chord-body"
    WORKER_MIDDLE_OF_UPLOAD = "worker-middle-of-upload"
    WORKER_AFTER_CALL = "worker-after-call"
    GATEWAY_BEFORE_COMMIT = "gateway-before-commit"
    GATEWAY_AFTER_COMMIT = "gateway-after-commit"
    ARCHIVER_BEFORE_COMMIT = "archiver-before-commit"
    ARCHIVER_AFTER_COMMIT = "archiver-after-commit"


_CRASH_AT = os.environ.get("MILLRACE_CRASH_AT", "")
_MARKER_FOLDER = Path(os.environ.get("MILLRACE_CRASH_MARKER", "/tmp"))  # noqa: S108 - a tmpfs of the container's own


def failpoint(name: Failpoint) -> None:
    """Die here if told so, once."""
    if name != _CRASH_AT:
        return
    marker = _MARKER_FOLDER / f"millrace-crashed-at-{name}"
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
