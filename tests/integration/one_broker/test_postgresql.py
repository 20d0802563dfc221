"""PostgreSQL in its container."""

from __future__ import annotations

from tests.harness.stack import Stack
from tests.harness.waiting import eventually

#: Leaves a child behind that says its process number and dies of SIGPIPE, as one of a health check that is cut off may.
_ORPHAN = """(sh -c 'echo $$; exec >&- 2>&-; sleep 0.3; kill -PIPE $$' &)"""


def test_an_orphan_that_dies_of_a_signal_ends_no_session(single: Stack) -> None:
    """As PID 1 PostgreSQL took it for a backend of its own that had crashed: it ended all sessions and restarted."""
    machine = single.machines["postgresql"]
    with single.database() as session:
        orphan = int(machine.execute("sh", "-c", _ORPHAN))
        eventually(lambda: orphan not in machine.processes(), what="the orphan ends")

        assert session.execute("SELECT 1").fetchone() == (1,)
    assert "terminated by signal" not in machine.logs()
