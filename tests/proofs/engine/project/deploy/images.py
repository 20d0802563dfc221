"""Found only if the program's own folder is first on sys.path, as `main` promises."""

from __future__ import annotations

import pulumi


def image() -> str:
    """The image that the stack's settings name."""
    return pulumi.Config().require("image")
