"""The one place that runs other programs to their end."""

from __future__ import annotations

import subprocess

from infra.lab.devcluster.waiting import DevclusterError


def run(*command: str, text: str = "") -> str:
    """Run a command of our own words, with `text` to read; returns what it says.

    Raises:
        DevclusterError: it failed.
    """
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)  # noqa: S603 - as said
    if done.returncode:
        raise DevclusterError(f"`{' '.join(command)}` failed ({done.returncode}):\n{text}\n{done.stderr}".rstrip())
    return done.stdout
