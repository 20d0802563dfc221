"""For every run: the names of what failed, last, where nobody has to look for them."""

from __future__ import annotations

import pytest
from _pytest.terminal import TerminalReporter

#: Of a reason: enough to know whether it is the same in each.
_REASON_CHARACTERS = 200
_SHOWN = 30


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """After containers' logs of hundreds of lines: which tests, when in their life, and in one line why."""
    failed = [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]
    for report in failed[:_SHOWN]:
        crash = getattr(report.longrepr, "reprcrash", None)
        reason = " ".join((crash.message if crash else str(report.longrepr)).split())[:_REASON_CHARACTERS]
        # A file that could not even be read has neither.
        when, seconds = getattr(report, "when", None) or "collection", getattr(report, "duration", 0.0)
        terminalreporter.write_line(f"red in {when} after {seconds:.0f} s: {report.nodeid}: {reason}")
    if len(failed) > _SHOWN:
        terminalreporter.write_line(f"and {len(failed) - _SHOWN} more")
