"""For every run: what failed and why, in one line each, at once and at its end; the figures that tests recorded."""

from __future__ import annotations

import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import HealthCheck, settings

# Hypothesis would fail an example that takes longer than 200 ms: that tells of the machine, not of the code. Who names
# checks of his own in a test's settings has these no longer.
_UNCHECKED = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
settings.register_profile("any machine", deadline=None, suppress_health_check=_UNCHECKED)
settings.load_profile("any machine")

#: What `record_property` calls the figures behind a green dot.
ACCOUNT = "account"
#: Of a reason: enough to know whether it is the same in each.
_REASON_CHARACTERS = 200
_SHOWN = 30


class _RedAtOnce:
    """Says what is red while the others still run: a run that hangs or is killed never gets to its summary."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One line of its own, between the dots."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            terminal.write_line(f"\nred in {_line(report)}")


def pytest_configure(config: pytest.Config) -> None:
    """Only the process that has a terminal tells; xdist's workers report to it."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_RedAtOnce(config))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Tables that passed tests recorded as `account`; of failed tests when in their life, and in one line why."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == ACCOUNT:
                terminalreporter.write_line(f"{report.nodeid}\n{value}\n")
    failed = [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]
    for report in failed[:_SHOWN]:
        terminalreporter.write_line(f"red in {_line(report)}")
    if len(failed) > _SHOWN:
        terminalreporter.write_line(f"and {len(failed) - _SHOWN} more")


def _line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    reason = " ".join((crash.message if crash else str(report.longrepr)).split())[:_REASON_CHARACTERS]
    # A file that could not even be read has neither.
    when, seconds = getattr(report, "when", None) or "collection", getattr(report, "duration", 0.0)
    return f"{when} after {seconds:.0f} s: {report.nodeid}: {reason}"
