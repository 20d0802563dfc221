"""Health of a relay, worker, archiver or beat, from its heartbeat file: `python -m app.telemetry.probe [ready|live]`.

Standard library only.

Live fails only when the event loop is wedged (or the broker was away for very long): a restart because the broker is
down would turn one outage into two.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

#: A heartbeat comes every 2 s; five missed ones are not chance.
READY_SECONDS = 10.0
#: A loop that has not turned for a minute will not turn again.
WEDGED_SECONDS = 60.0
#: A process that found no broker for half an hour may start afresh.
DISCONNECTED_SECONDS = 1800.0


def verdict(mode: str, state: str, age_seconds: float) -> bool:
    """Whether a process with this heartbeat is healthy."""
    if mode == "live":
        return age_seconds < (DISCONNECTED_SECONDS if state == "disconnected" else WEDGED_SECONDS)
    return state == "consuming" and age_seconds < READY_SECONDS


def main(arguments: list[str]) -> int:
    """Print one line and exit 0 when healthy, 1 when not."""
    mode = arguments[0] if arguments else "ready"
    path = Path(os.environ.get("MILLRACE_HEARTBEAT_FILE", "/tmp/millrace-heartbeat.json"))  # noqa: S108
    try:
        heartbeat = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        print(f"not {mode}: no heartbeat ({error})")  # noqa: T201 - a probe's output is what it prints
        return 1
    age_seconds = time.time() - float(heartbeat["at"])
    healthy = verdict(mode, heartbeat["state"], age_seconds)
    print(f"{mode if healthy else f'not {mode}'}: {heartbeat['state']}, {age_seconds:.1f} s ago")  # noqa: T201
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
