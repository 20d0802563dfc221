"""Faults of one broker node that need no load to aim at: killed, stopped where it stands, or parted from the others."""

from __future__ import annotations

import time
from collections.abc import Callable

from chaos.errors import ManagementError, NotConfirmedError
from chaos.fault import Say, hold
from chaos.management import Management
from chaos.rejoin import wait_until_rejoined
from chaos.target import BrokerNode, Target
from chaos.waiting import wait_until

#: Erlang calls a silent neighbour lost after net_ticktime, 60 s by default.
NOTICE_SECONDS = 100.0
REJOIN_SECONDS = 180.0
ANSWER_SECONDS = 30.0


def kill(target: Target, host: str, seconds: float, say: Say) -> None:
    """SIGKILL, dead for so long."""
    _fault(target, host, "kill", seconds, say, lambda node: node.kill(), lambda node: node.start())


def pause(target: Target, host: str, seconds: float, say: Say) -> None:
    """SIGSTOP for so long: sockets stay open, nothing answers."""
    _fault(target, host, "pause", seconds, say, lambda node: node.pause(), lambda node: node.resume())


def partition(target: Target, host: str, seconds: float, say: Say) -> None:
    """Alone for so long, while clients still reach it: what it is told, no other node hears."""
    _fault(target, host, "partition", seconds, say, lambda node: node.cut_off(), lambda node: node.join())


def _fault(
    target: Target,
    host: str,
    kind: str,
    seconds: float,
    say: Say,
    inject: Callable[[BrokerNode], float],
    clear: Callable[[BrokerNode], float],
) -> None:
    management = target.management()
    node = target.broker(host)
    broker = _broker_name(management, host)
    say({"event": "chosen", "kind": kind, "node": broker, "runs_as": node.name})
    hold(
        lambda: inject(node),
        lambda: clear(node),
        noticed=lambda: not _runs(management, broker),
        unnoticed=lambda: f"The others see {broker} run {NOTICE_SECONDS:.0f} s after its {kind}.",
        notice_seconds=NOTICE_SECONDS,
        seconds=seconds,
        say=say,
    )
    wait_until_rejoined(management, broker, REJOIN_SECONDS)
    say({"event": "recovered", "recovered_at": time.time()})


def _broker_name(management: Management, host: str) -> str:
    """The node's name.

    Raises:
        ManagementError: nobody answers.
        NotConfirmedError: there is no such node.
    """
    # A forwarded port whose pod was replaced finds that out when it is used, and is opened anew.
    wait_until(lambda: _told(lambda: bool(management.nodes())), ANSWER_SECONDS)
    for name in management.nodes():
        if name.partition("@")[2].partition(".")[0] == host:
            return name
    message = f"No node of the cluster runs on {host}."
    raise NotConfirmedError(message)


def _runs(management: Management, broker: str) -> bool:
    return _told(lambda: management.running(broker))


def _told(ask: Callable[[], bool]) -> bool:
    """What the management says; no, while nobody answers."""
    try:
        return ask()
    except ManagementError:
        return False
