"""The name of the person who runs a command, for the audit."""

from __future__ import annotations

import getpass
import os
from typing import Annotated

import typer

Actor = Annotated[str | None, typer.Option(help="Who does it, for the audit; default MILLRACE_ACTOR, then the user.")]


def actor_of(given: str | None) -> str:
    """The actor that was named, or the user of this process."""
    if named := given or os.environ.get("MILLRACE_ACTOR"):
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user has a number and no name
        return f"uid {os.getuid()}"
