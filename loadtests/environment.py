"""On what a run ran: enough to judge its figures, and to repeat it."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from loadtests.brokers import AnyBroker
from loadtests.collector import Rows
from loadtests.errors import NotReadyError

#: Of ledger and observation together, with what the reconciler makes of them; measured (docs/verdict.md).
_ACCOUNT_BYTES_AN_EVENT = 1_900


def describe(connection: Rows, management: AnyBroker, target: str) -> dict[str, Any]:
    """Machine and versions; `target` is the stack's name."""
    try:
        broker = management.version()
    except NotReadyError:
        broker = "unknown"
    return {
        "target": target,
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "cpu": _cpu_model(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postgresql": _server_version(connection),
        "broker": broker,
        "git": _git("rev-parse", "--short=12", "HEAD"),
        "git_clean": _git("status", "--porcelain", "--untracked-files=no") == "",
    }


def memory_warning(events: float, memory_bytes: int | None = None) -> str | None:
    """What to say before a load whose account may not fit into this machine's memory."""
    has = memory_bytes or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    needs = events * _ACCOUNT_BYTES_AN_EVENT
    if needs <= has:
        return None
    return (
        f"The account of {events:,.0f} events needs up to {needs / 2**30:,.0f} GiB of memory, and this machine has "
        f"{has / 2**30:,.0f}. Make the load shorter or slower (--seconds, --rate), or it may end without a verdict."
    )


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def _server_version(connection: Rows) -> str:
    version = connection.info.server_version
    return f"{version // 10000}.{version % 10000}"


def _git(*arguments: str) -> str:
    try:
        result = subprocess.run(  # noqa: S603 - our own words
            ["git", *arguments],  # noqa: S607 - whichever git the person uses
            capture_output=True, text=True, check=True, timeout=10, cwd=Path(__file__).parent,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return result.stdout.strip()
