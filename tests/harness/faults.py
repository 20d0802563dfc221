"""Faults under load. Each is said once: the campaign has all of them, the proof `faults` each by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from loadtests.history import Outcome
from tests.harness.containers import Machine
from tests.harness.load import Load, count
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

WORKERS = {"interactive": "worker-interactive", "bulk": "worker-bulk"}
KILLED = 137


@dataclass(frozen=True)
class Fault:
    """A fault with its way back."""

    name: str
    #: Breaks something under the load, mends it, and returns when work is done again.
    strike: Callable[[Stack, Load], None]
    #: Whether requests may go without their 202 meanwhile; then at least one must, or the fault met nothing.
    refuses: bool = False
    #: Messages that it sends to die.
    dead_letters: int = 0


def _relay(stack: Stack, load: Load) -> None:
    """One of two relays dies; the other sends what the dead one had leased."""
    stack.machines["relay-1"].kill()
    killed_at = time.time()
    load.wait_executed(since=killed_at)
    assert not stack.machines["relay-1"].running, "it came back: this has shown nothing"
    stack.machines["relay-1"].start_again()


def _worker_parents(stack: Stack, load: Load) -> None:
    """The parent process of each worker dies; its messages go back to the queue and run once."""
    for worker in WORKERS.values():
        stack.machines[worker].kill_parent()
    for worker in WORKERS.values():
        assert stack.machines[worker].wait_ended() == KILLED
        stack.machines[worker].start_again()
    # Not since the kill: what the last of them executed before it died would count.
    load.wait_executed(*WORKERS, since=time.time())


def _worker_children(stack: Stack, load: Load) -> None:
    """A child of each worker's pool dies; the worker lives on with another."""
    children = {worker: stack.machines[worker].kill_child() for worker in WORKERS.values()}
    for worker, child in children.items():
        machine = stack.machines[worker]
        eventually(
            lambda machine=machine, child=child: child not in machine.processes(),  # type: ignore[misc]
            what=f"the child {child} of {worker} is gone",
        )  # fmt: skip
    load.wait_executed(*WORKERS, since=time.time())
    assert all(stack.machines[worker].running for worker in WORKERS.values())


def _gateway(stack: Stack, load: Load) -> None:
    """The gateway dies; what it had answered with 202 runs once, what it had not answered runs once or never."""
    _down(stack, load, ("gateway",), 0)
    eventually(lambda: count(load.history, Outcome.UNKNOWN), what="a request met the dead gateway")
    _up(stack, ("gateway",))
    load.wait_executed(since=time.time())


def _redis(seconds: float, stack: Stack, load: Load) -> None:
    """Redis is away: no request fails, because the gateway's limit falls back to a local one."""
    _down(stack, load, ("redis",), seconds)
    _up(stack, ("redis",))


def _postgresql(seconds: float, stack: Stack, load: Load) -> None:
    """PostgreSQL dies and starts again: what was committed is there, and nothing is dead-lettered."""
    _down(stack, load, ("postgresql",), seconds)
    _up(stack, ("postgresql",))
    load.wait_executed(since=time.time())


def _broker_node(seconds: float, stack: Stack, load: Load) -> None:
    """The node that carries the interactive worker's connection dies; every worker executes while it is dead."""
    carrier = _carrier(stack)
    node = stack.machines[carrier.removeprefix("rabbit@")]
    node.kill()
    killed_at = time.time()
    load.wait_executed(*WORKERS, since=killed_at)
    _lasts(killed_at, seconds)
    assert not node.running, "the node came back: this has shown nothing"
    # The management API tells of the dead node's consumers for a while.
    eventually(
        lambda: stack.broker.node_of_consumer("interactive") not in {None, carrier}, what="the worker has another node"
    )
    _up(stack, (node.service.name,))
    everyone = len(stack.nodes)
    eventually(lambda: stack.broker.nodes_running() == everyone, what=f"{everyone} nodes are one cluster")


def _all_broker_nodes(seconds: float, stack: Stack, load: Load) -> None:
    """All nodes die at once: the gateway accepts all the while, and all of it runs when they are back."""
    _down(stack, load, stack.nodes, seconds)
    _up(stack, stack.nodes)
    load.wait_executed(*WORKERS, since=time.time())


def _carrier(stack: Stack) -> str:
    return eventually(lambda: stack.broker.node_of_consumer("interactive") or "", what="the worker's node is known")


def _down(stack: Stack, load: Load, names: Iterable[str], seconds: float) -> None:
    """Kill these and keep them dead, under load."""
    machines = [stack.machines[name] for name in names]
    killed_at = time.time()
    with ThreadPoolExecutor() as pool:
        list(pool.map(Machine.kill, machines))
    for machine in machines:
        machine.wait_ended()
    _lasts(killed_at, seconds)
    assert load.sending, "the load ended before the outage did"


def _lasts(since: float, seconds: float) -> None:
    eventually(lambda: time.time() >= since + seconds, within=seconds + 5, what="the outage is over", every=0.5)


def _up(stack: Stack, names: Iterable[str]) -> None:
    names = tuple(names)
    with ThreadPoolExecutor() as pool:
        list(pool.map(Machine.start_again, [stack.machines[name] for name in names]))
    for name in names:
        stack.wait(name)


def kills(outage_seconds: float) -> tuple[Fault, ...]:
    """Every process and server, killed; what is a server stays dead for so long. What heals by itself comes first."""
    return (
        Fault("relay killed", _relay),
        Fault("workers killed", _worker_parents),
        Fault("children of workers killed", _worker_children),
        Fault("gateway killed", _gateway, refuses=True),
        Fault("redis away", partial(_redis, outage_seconds)),
        Fault("postgresql killed", partial(_postgresql, outage_seconds), refuses=True),
        Fault("broker node killed", partial(_broker_node, outage_seconds)),
        Fault("all broker nodes killed", partial(_all_broker_nodes, outage_seconds)),
    )
