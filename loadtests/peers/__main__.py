"""`python -m loadtests.peers`: measure all of them on the stack that runs, and write the tables."""

from __future__ import annotations

import signal
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from loadtests.errors import HarnessError
from loadtests.exclusive import exclusive
from loadtests.exit_codes import ExitCode
from loadtests.peers.containers import Machines
from loadtests.peers.contender import ALL, KILLED, Contender, Ours
from loadtests.peers.killed import Account, kill
from loadtests.peers.measure import Figures, Seconds, measure
from loadtests.peers.page import markdown
from loadtests.target import local_target

#: Of one contender in one round, start and end included; more for those that are killed.
_SECONDS_EACH, _SECONDS_KILLED = 45, 90
console = Console(stderr=True)


def main(
    packages: Annotated[Path, typer.Option(help="where the peers' packages are; `make peers` puts them there")],
    rounds: Annotated[int, typer.Option(min=1, help="how often each is measured")] = 5,
    out: Annotated[Path, typer.Option(help="where peers.json and peers.md go")] = Path("out/peers"),
    project: Annotated[str, typer.Option(envvar="MILLRACE_PROJECT", help="the stack's compose project")] = "millrace",
    *,
    killed: Annotated[bool, typer.Option(help="also kill a worker and a leader")] = True,
) -> None:
    """Measure Millrace beside its peers: rates, processor time, latency; then kill a worker and the queue's leader."""
    # However this is ended, Millrace's processes are started again and the peers' are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    target = local_target()
    minutes = (rounds * len(ALL) * _SECONDS_EACH + killed * len(KILLED) * _SECONDS_KILLED) / 60
    console.print(f"{len(ALL)} contenders, {rounds} rounds: about {minutes:.0f} minutes.")
    figures: list[Figures] = []
    accounts: list[Account] = []
    try:
        machines = Machines(project, Path(".millrace"), packages.resolve())
        with exclusive(Path(".millrace")), machines.surroundings():
            try:
                for number in range(1, rounds + 1):
                    for contender in ALL:
                        _make_room(contender, machines)
                        one = measure(contender, machines, target, Seconds())
                        figures.append(one)
                        console.print(
                            f"round {number}: {contender.title}: {one.events_per_second:,.0f} events a second, "
                            f"{one.own_ms + one.broker_ms + one.database_ms:.2f} ms of processor time each",
                            highlight=False,
                        )
                for contender in KILLED if killed else ():
                    _make_room(contender, machines)
                    account = kill(contender, machines, target)
                    accounts.append(account)
                    console.print(f"killed: {contender.title}: {account}", highlight=False)
            finally:
                machines.work()
    except KeyboardInterrupt as error:
        console.print("Ended early: nothing was written, and the stack is as it was.")
        raise typer.Exit(ExitCode.INTERRUPTED) from error
    except HarnessError as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(ExitCode.COULD_NOT_RUN) from error
    out.mkdir(parents=True, exist_ok=True)
    data = {"figures": [asdict(one) for one in figures], "killed": [asdict(one) for one in accounts]}
    (out / "peers.json").write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2))
    (out / "peers.md").write_text(markdown(figures, accounts))
    console.print(f"{out / 'peers.md'}")


def _make_room(contender: Contender, machines: Machines) -> None:
    if isinstance(contender, Ours):
        machines.work()
    else:
        machines.rest()


if __name__ == "__main__":
    typer.run(main)
