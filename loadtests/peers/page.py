"""The tables of docs/peers.md, and its plot, out of what was measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from loadtests.peers.contender import ALL
from loadtests.peers.killed import Account
from loadtests.peers.measure import LOW_RATE, Figures

_TITLES = {contender.name: contender.title for contender in ALL}


def markdown(figures: Sequence[Figures], accounts: Sequence[Account]) -> str:
    """Medians of the rounds, with the lowest and the highest rate, and what was lost."""
    rounds: dict[str, list[Figures]] = defaultdict(list)
    for one in figures:
        rounds[one.contender].append(one)
    head = ("", "events a second (lowest to highest)", "own", "RabbitMQ", "PostgreSQL", "all", "p50", "p99")
    rows = []
    for name, of in rounds.items():
        rates = [one.events_per_second for one in of]
        spent = [median(getattr(one, part) for one in of) for part in ("own_ms", "broker_ms", "database_ms")]
        late = [[value for one in of if (value := getattr(one, part)) is not None] for part in ("p50_ms", "p99_ms")]
        rows.append(
            (
                _TITLES[name],
                f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})",
                *(f"{each:.2f} ms" for each in (*spent, sum(spent))),
                *(f"{median(values):,.0f} ms" if values else "" for values in late),
            )
        )
    told = [
        (
            _TITLES[one.contender],
            *(f"{value:,}" for value in (one.accepted, one.stuck, one.lost, one.doubled, one.refused)),
        )
        for one in accounts
    ]
    return (
        f"Processor time is per event; p50 and p99 are at {LOW_RATE:g} events a second.\n\n"
        + _table(head, rows)
        + "\n"
        + _table(
            ("", "accepted", "stuck until the worker was started anew", "lost", "doubled", "requests refused"), told
        )
        + "\n"
        + _plot(rounds)
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ("---", *("--:" for _ in head[1:])), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _plot(rounds: dict[str, list[Figures]]) -> str:
    """Mermaid, which GitHub draws."""
    names = ", ".join(f'"{_TITLES[name]}"' for name in rounds)
    values = ", ".join(f"{median(one.events_per_second for one in of):.0f}" for of in rounds.values())
    return (
        '```mermaid\nxychart-beta horizontal\n    title "Events a second, end to end (median)"\n'
        f"    x-axis [{names}]\n    bar [{values}]\n```\n"
    )
