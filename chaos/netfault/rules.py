"""The rules of one network: what is dropped or held back, how much of it there was, and the way back.

All of them are in one chain, so that one command takes them back, whoever made them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence

_CHAIN = "MILLRACE-DRILL"
_HOOKS = ("INPUT", "OUTPUT")
#: Which packets of a peer are meant: those that come from it, those that leave for it.
_FROM, _TO = "--source", "--destination"
SIDES = {"in": (_FROM,), "out": (_TO,), "both": (_FROM, _TO)}
_DROP = ("--jump", "DROP")


def begin() -> None:
    """Make the chain; nothing goes through it yet."""
    _iptables("--new-chain", _CHAIN)


def end_of_rules() -> None:
    """Send everything that comes and leaves through the chain."""
    for hook in _HOOKS:
        _iptables("--insert", hook, "--jump", _CHAIN)


def drop(peers: Sequence[str], side: str, *, share: float | None = None) -> None:
    """Drop what comes from the peers or leaves for them, or a share of it, drawn packet by packet."""
    drawn = () if share is None else ("--match", "statistic", "--mode", "random", "--probability", f"{share:g}")
    for peer in peers:
        for end in SIDES[side]:
            _iptables("--append", _CHAIN, end, peer, *drawn, *_DROP)


def drop_connection(peer: str, port: int) -> None:
    """Drop what belongs to the TCP connection of this own port to a peer."""
    _iptables("--append", _CHAIN, _TO, peer, "--protocol", "tcp", "--source-port", str(port), *_DROP)
    _iptables("--append", _CHAIN, _FROM, peer, "--protocol", "tcp", "--destination-port", str(port), *_DROP)


def hand_over(peers: Sequence[str], queue: int) -> None:
    """Leave it to a program when what leaves for the peers goes; at once if there is none."""
    for peer in peers:
        _iptables("--append", _CHAIN, _TO, peer, "--jump", "NFQUEUE", "--queue-num", str(queue), "--queue-bypass")


def met() -> int:
    """How many packets met one of the rules."""
    listed = _iptables("--list", _CHAIN, "--numeric", "--verbose", "--exact").splitlines()
    return sum(int(line.split()[0]) for line in listed[2:])


def clear() -> None:
    """Remove the chain, as far as it is there."""
    for hook in _HOOKS:
        _iptables("--delete", hook, "--jump", _CHAIN, there=False)
    _iptables("--flush", _CHAIN, there=False)
    _iptables("--delete-chain", _CHAIN, there=False)


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
