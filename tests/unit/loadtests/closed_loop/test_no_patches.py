"""What tests import of the scenarios leaves the process as it is."""

from __future__ import annotations

import subprocess
import sys

PURE = ("accepted", "example", "gateway", "shapes")


def test_the_modules_that_are_tested_here_do_not_import_locust() -> None:
    """Locust patches sockets and threads with gevent's as soon as it is imported."""
    modules = ", ".join(f"loadtests.closed_loop.{name}" for name in PURE)
    program = f"import sys, {modules}; sys.exit('locust' in sys.modules or 'gevent' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
