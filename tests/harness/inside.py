"""Commands inside a container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from docker.models.containers import Container


def run_inside(
    container: Container, command: Sequence[str], *, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a command and wait for its end; exit code and what it printed, both streams."""
    code, output = container.exec_run(list(command), environment=dict(environment or {}))
    # Docker has neither for a command that nobody waits for, or whose output is read as it comes.
    assert code is not None
    assert isinstance(output, bytes)
    return code, output.decode(errors="replace")
