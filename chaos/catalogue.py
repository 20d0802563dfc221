"""The experiments as a list: for a terminal, for programs, and for docs/drills.md."""

from __future__ import annotations

import json
from collections.abc import Sequence

from chaos.experiment import Experiment

#: What a person waits besides the fault itself: the gate, the recovery, the drain and the account.
AROUND_SECONDS = 60


def as_text(listed: Sequence[Experiment]) -> str:
    """Three lines each."""
    return "".join(
        f"{each.name}  ({_about(each)}; {each.card.kind}; attacks {', '.join(each.card.promises)})\n"
        f"    {each.title}: {_faults(each)} for {each.seconds:g} s\n"
        f"    risk: {each.card.risk}\n"
        for each in listed
    )


def as_json(listed: Sequence[Experiment]) -> str:
    """A list of objects."""
    return (
        json.dumps(
            [
                {
                    "name": each.name,
                    "title": each.title,
                    "faults": [str(fault) for fault in each.faults],
                    "fault_seconds": each.seconds,
                    "drill_seconds": each.seconds + AROUND_SECONDS,
                    "nodes": each.card.nodes,
                    **each.card.model_dump(exclude={"name", "nodes"}),
                }
                for each in listed
            ],
            indent=2,
        )
        + "\n"
    )


def as_markdown(listed: Sequence[Experiment]) -> str:
    """A table; a test compares the one in docs/drills.md with it."""
    rows = [
        f"| `{each.name}` | {_faults(each)} | {each.seconds:g} s | {each.card.kind} | {', '.join(each.card.promises)} "
        f"| {_page(each)} | {each.card.risk} |\n"
        for each in listed
    ]
    return "".join(
        (
            "| experiment | fault | lasts | kind | attacks | alert and runbook | risk |\n",
            "|---|---|---|---|---|---|---|\n",
            *rows,
        )
    )


def _faults(each: Experiment) -> str:
    return " and ".join(str(fault) for fault in each.faults)


def _page(each: Experiment) -> str:
    return f"[{each.card.alert}](../runbooks/{each.card.runbook}.md)" if each.card.alert else "none"


def _about(each: Experiment) -> str:
    return f"about {each.seconds + AROUND_SECONDS:.0f} s"
