"""Imported by programs with a planted bug: the moment that the bug makes dangerous lasts long enough to be hit.

`MUTANT_LINGERS_AT` names a failpoint; whoever passes it sleeps there.
"""

from __future__ import annotations

import os
import time

from app import failpoints

_SECONDS = 0.6
_AT = os.environ.get("MUTANT_LINGERS_AT")
_honest = failpoints.failpoint


def failpoint(name: failpoints.Failpoint) -> None:
    """Sleep there, or do what the honest one does."""
    if name == _AT:
        time.sleep(_SECONDS)
    else:
        _honest(name)


failpoints.failpoint = failpoint
