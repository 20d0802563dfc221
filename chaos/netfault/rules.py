"""The rules of one network: what is dropped or held back, how much of it there was, and the way back.

What arrives and what leaves has a chain each: a packet to Docker's name server leaves and arrives in the same network,
and must meet a rule once. The chains have fixed names, so another process can take them back.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence

_CHAINS = {"INPUT": "MILLRACE-DRILL-IN", "OUTPUT": "MILLRACE-DRILL-OUT"}
#: Which packets of a peer are meant, and their chain: those that come from it, those that leave for it.
_FROM, _TO = (_CHAINS["INPUT"], "--source"), (_CHAINS["OUTPUT"], "--destination")
SIDES = {"in": (_FROM,), "out": (_TO,), "both": (_FROM, _TO)}
_DROP = ("--jump", "DROP")


def begin() -> None:
    """Make the chains; nothing goes through them yet."""
    for chain in _CHAINS.values():
        _iptables("--new-chain", chain)


def end_of_rules() -> None:
    """Send everything that arrives and leaves through its chain."""
    for hook, chain in _CHAINS.items():
        _iptables("--insert", hook, "--jump", chain)


def drop(peers: Sequence[str], side: str, *, share: float | None = None) -> None:
    """Drop what comes from the peers or leaves for them, or a share of it, drawn packet by packet."""
    drawn = () if share is None else ("--match", "statistic", "--mode", "random", "--probability", f"{share:g}")
    for peer in peers:
        for end in SIDES[side]:
            _iptables("--append", *end, peer, *drawn, *_DROP)


def drop_connection(peer: str, port: int) -> None:
    """Drop what belongs to the TCP connection of this own port to a peer."""
    _iptables("--append", *_TO, peer, "--protocol", "tcp", "--source-port", str(port), *_DROP)
    _iptables("--append", *_FROM, peer, "--protocol", "tcp", "--destination-port", str(port), *_DROP)


def hand_over(peers: Sequence[str], queue: int) -> None:
    """Leave it to a program when what leaves for the peers goes; at once if there is none."""
    for peer in peers:
        _iptables("--append", *_TO, peer, "--jump", "NFQUEUE", "--queue-num", str(queue), "--queue-bypass")


def met() -> int:
    """How many packets met one of the rules."""
    listed = (_iptables("--list", chain, "--numeric", "--verbose", "--exact") for chain in _CHAINS.values())
    return sum(int(line.split()[0]) for one in listed for line in one.splitlines()[2:])


def clear() -> None:
    """Remove the chains, as far as they are there."""
    for hook, chain in _CHAINS.items():
        _iptables("--delete", hook, "--jump", chain, there=False)
        _iptables("--flush", chain, there=False)
        _iptables("--delete-chain", chain, there=False)


def own_ports(peer: str) -> list[int]:
    """Of the TCP connections to a peer that are there."""
    return [int(line.split()[2].rpartition(":")[2]) for line in _connections(peer)]


def round_trip_milliseconds(peers: Sequence[str]) -> float:
    """The longest of their connections, as TCP has measured it; 0 if there is none."""
    words = [word for peer in peers for line in _connections(peer, "--info", "--oneline") for word in line.split()]
    return max((float(word[4:].partition("/")[0]) for word in words if word.startswith("rtt:")), default=0.0)


def _connections(peer: str, *more: str) -> Iterator[str]:
    yield from _run("ss", "-Htn", *more, "state", "established", "dst", peer).splitlines()


def _iptables(*words: str, there: bool = True) -> str:
    return _run("iptables", "--wait", *words, there=there)


def _run(*command: str, there: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own commands
    if there and done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
