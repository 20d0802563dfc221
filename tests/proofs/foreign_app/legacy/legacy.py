"""An application that imports nothing of ours. It says on its standard output what it does."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from celery import Celery

app = Celery("legacy")
app.config_from_object(os.environ["LEGACY_SETTINGS"])
#: Somebody mended what was wrong.
MENDED = Path("/tmp/mended")  # noqa: S108 - in its own container


def _unless_mended(mark: str) -> bool:
    mended = MENDED.exists() or "LEGACY_MENDED" in os.environ
    print(f"{'done' if mended else 'tried'} {mark}", flush=True)  # noqa: T201 - the test's window
    return not mended


@app.task(name="legacy.fails")
def fails(mark: str) -> None:
    """Raise."""
    if _unless_mended(mark):
        raise ValueError(mark)


@app.task(name="legacy.hangs", time_limit=10)
def hangs(mark: str) -> None:
    """Run into the hard time limit."""
    if _unless_mended(mark):
        time.sleep(600)


@app.task(name="legacy.kills")
def kills(mark: str) -> None:
    """Lose the process."""
    if _unless_mended(mark):
        os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="legacy.works")
def works(mark: str) -> None:
    """Take longer than anybody waits."""
    if _unless_mended(mark):
        time.sleep(600)


@app.task(name="legacy.sends")
def sends(mark: str) -> None:
    """Send a task, later."""
    fails.apply_async((mark,), countdown=1)
