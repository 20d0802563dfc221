"""The end of a cluster: whatever ran on it, nothing of it is left on the machine.

`make e2e` remembers the machine before it starts a cluster; this takes the cluster down and compares.
"""

from __future__ import annotations

from tests.harness import machine


def test_down_leaves_the_machine_as_it_was() -> None:
    """No link, namespace, route, rule, mount, control group, setting, process or file; and again is no error."""
    assert machine.FILE.is_file(), "nobody remembered the machine: `python -m tests.harness.machine` before the cluster"
    before = machine.remembered()
    machine.take_down()
    left = machine.now().difference(before)
    assert not left, f"left: {left}"
    machine.take_down()
    machine.FILE.unlink()
