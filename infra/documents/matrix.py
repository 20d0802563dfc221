"""The connection table as a page for people: docs/connections.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infra.connections import Connection, Party, Pods

_HEAD = """# Who may talk to whom

Made by `python -m infra.documents` from `infra/connections.py`; a test keeps it current. What is not listed is denied
by NetworkPolicies in both directions, the internet included. Every pod may also ask the cluster's DNS (port 53).
"""


def matrix(tables: Mapping[str, Sequence[Connection]]) -> str:
    """The page for all stacks: connections of every stack first, then what only some have."""
    everywhere = [
        one for one in next(iter(tables.values())) if all(_row(one) in _rows(table) for table in tables.values())
    ]
    parts = [_HEAD, "## In every stack\n", _table(everywhere)]
    common = {_row(one) for one in everywhere}
    for stack, table in tables.items():
        only = [one for one in table if _row(one) not in common]
        if only:
            parts += [f"\n## Only in {stack}\n", _table(only)]
    return "\n".join(parts)


def _rows(table: Sequence[Connection]) -> set[str]:
    return {_row(one) for one in table}


def _row(one: Connection) -> str:
    ports = ", ".join(str(port) for port in one.ports)
    return f"| {_party(one.source)} | {_party(one.destination)} | {ports} | {one.why} |"


def _table(table: Sequence[Connection]) -> str:
    return "\n".join(["| from | to | TCP port | why |", "|---|---|---|---|", *(_row(one) for one in table), ""])


def _party(party: Party) -> str:
    return party.name if isinstance(party, Pods) else f"*{party.name}*"
