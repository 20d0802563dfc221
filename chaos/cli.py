"""`python -m chaos <fault>`: evidence as JSON lines on standard output, words for people on standard error."""

from __future__ import annotations

import json
import signal
import sys
from types import FrameType
from typing import Annotated, Any

import typer

from chaos.containers import ComposeNode, project_name
from chaos.errors import ChaosError, DrillInterruptedError
from chaos.kill_leader import Bounds, kill_and_heal
from chaos.management import Management, local_access

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Faults on purpose, each with its proof.")

#: Below this nothing has to notice; above it a drill outlives its load.
MIN_DEAD_SECONDS = 1.0
MAX_DEAD_SECONDS = 600.0


@app.callback()
def main() -> None:
    """Faults on purpose, each with its proof and its way back."""


@app.command("kill-busiest-leader")
def kill_busiest_leader(
    dead_seconds: Annotated[
        float, typer.Option(min=MIN_DEAD_SECONDS, max=MAX_DEAD_SECONDS, help="How long the node stays dead.")
    ] = 32.0,
) -> None:
    """SIGKILL the RabbitMQ node that leads the busiest queue and carries a worker's connection; start it again."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    project = project_name()
    try:
        kill_and_heal(
            Management(local_access()),
            lambda service: ComposeNode.find(service, project),
            say,
            Bounds(dead_seconds=dead_seconds),
        )
    except ChaosError as error:
        say({"event": "failed", "error": str(error)})
        raise typer.Exit(1) from error


def say(record: dict[str, Any]) -> None:
    """One line of evidence, out at once: whoever waits for it must not wait for a buffer."""
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()
    sys.stderr.write(f"{record.get('event')}: {', '.join(f'{k}={v}' for k, v in record.items() if k != 'event')}\n")


def _interrupt(signum: int, _frame: FrameType | None) -> None:
    """End in order: the drill's `finally` starts the node again, undisturbed by a second signal."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise DrillInterruptedError(signal.Signals(signum).name)
