"""Builds in the background leave the processors to whoever else wants them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_AUTOGROUP = Path("/proc/self/autogroup")
#: As the kernel says it: `/autogroup-47269 nice 19`. Some kernels have none.
_SAY = f"""
import os, pathlib
from infra.lab.toolchain.__main__ import _yield_processors
_yield_processors()
group = pathlib.Path("{_AUTOGROUP}")
print(os.nice(0), group.read_text().split()[-1] if group.exists() else "none")
"""


def _priorities(*, own_session: bool) -> list[str]:
    return subprocess.run(
        (sys.executable, "-c", _SAY), capture_output=True, text=True, check=True, start_new_session=own_session
    ).stdout.split()


def test_its_session_gives_way_to_others() -> None:
    """Niceness alone counts only inside a session; in somebody else's session that session keeps its share."""
    assert _priorities(own_session=True) == ["19", "19" if _AUTOGROUP.exists() else "none"]
    theirs = _AUTOGROUP.read_text().split()[-1] if _AUTOGROUP.exists() else "none"
    assert _priorities(own_session=False) == ["19", theirs]
