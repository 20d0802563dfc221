"""Kill the node that leads the busiest queue and carries a worker's connection; prove it; always bring it back.

Both halves matter. Without the leader no election is forced; without a worker's connection no worker has to find
another node, and on RabbitMQ 4.3 that is where a fixed control queue's name kept workers out for good (design.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from app import contract
from app.contract import Role
from chaos.cluster import Victim, better_leader, choose, service_of, worker_consumers
from chaos.errors import ManagementError, NotConfirmedError, NoVictimError
from chaos.fault import Say
from chaos.management import Management
from chaos.rejoin import wait_until_rejoined
from chaos.target import MortalNode
from chaos.waiting import wait_until

#: The debian wrapper on the PATH insists on the user `rabbitmq`; this is what it wraps.
_RABBITMQCTL = "/usr/lib/rabbitmq/bin/rabbitmqctl"
#: Looks at the cluster, each but the last followed by a move of the leadership.
_MOVES = 4
#: A new leader is shown by the API within this.
_MOVE_SECONDS = 8.0
#: An election takes about a second; the API shows it up to 5 s later.
_CONFIRM_SECONDS = 25.0
#: A node boots in some 20 s on two busy cores, then its queues catch up.
_REJOIN_SECONDS = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long things may take, and how long the node stays dead."""

    dead_seconds: float
    move_seconds: float = _MOVE_SECONDS
    confirm_seconds: float = _CONFIRM_SECONDS
    rejoin_seconds: float = _REJOIN_SECONDS


def find_victim(
    management: Management, find_node: Callable[[str], MortalNode], say: Say, bounds: Bounds
) -> tuple[Victim, MortalNode]:
    """The leader of the busiest queue, with a worker's connection on it, and where it runs.

    Where the two do not meet, the queue's leadership is moved to a node with workers. Closing workers' connections
    until one comes back to the leader would never end: glibc sorts a name's addresses, so a client returns to the
    same node.

    Raises:
        NoVictimError: there is no such node, and none can be made.
    """
    seen = "nothing"
    for _ in range(_MOVES):
        queues, consumers = management.queues(), management.consumers()
        victim = choose(queues, consumers, Role.WORKER)
        if victim is None:
            break
        node = find_node(service_of(victim.node))
        if victim.qualifies:
            return victim, node
        seen = f"{victim.node} leads {victim.queue.name} and has no worker of it"
        wanted = better_leader(victim, queues, consumers, Role.WORKER)
        if wanted is None:
            break
        name = victim.queue.name
        said = node.run([_RABBITMQCTL, "eval", _transfer(name, wanted)])
        say(
            {"event": "moved", "queue": name, "leader_moved_from": victim.node, "leader_moved_to": wanted, "said": said}
        )
        wait_until(lambda: management.queue(name).leader == wanted, bounds.move_seconds)  # noqa: B023 - called at once
    message = f"({seen})"
    raise NoVictimError(message)


def kill_and_heal(
    management: Management,
    find_node: Callable[[str], MortalNode],
    say: Say,
    bounds: Bounds,
    *,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """The whole drill; the node is started again even when this is interrupted.

    Raises:
        ChaosError: it did not happen as it must; what was said until then still holds.
    """
    victim, node = find_victim(management, find_node, say, bounds)
    say(
        {
            "event": "chosen",
            "kind": "kill-busiest-leader",
            "queue": victim.queue.name,
            "queue_publish_rate": victim.queue.publish_rate,
            "queue_messages": victim.queue.messages,
            "node": victim.node,
            "container": node.name,
            "was_leader": True,
            "worker_connection": victim.connections[0].connection,
            "worker_connections": [asdict(consumer) for consumer in victim.connections],
        }
    )
    try:
        injected_at = node.kill()
        say({"event": "injected", "injected_at": injected_at, "signal": "SIGKILL", "exit_code": node.exit_code})
        new_leader = _confirm(management, victim, bounds.confirm_seconds)
        confirmed_at = time.time()
        say({"event": "confirmed", "confirmed_at": confirmed_at, "new_leader": new_leader, "connection_gone": True})
        _watch_return(management, victim, say, injected_at)
        while (rest := injected_at + bounds.dead_seconds - time.time()) > 0:
            _require_dead(node, injected_at)
            sleep(min(rest, 1.0))
        _require_dead(node, injected_at)
        say({"event": "stayed_dead", "stayed_dead": True})
    finally:
        say({"event": "cleared", "cleared_at": node.start()})
    wait_until_rejoined(management, victim.node, bounds.rejoin_seconds)
    say({"event": "recovered", "recovered_at": time.time()})


def _require_dead(node: MortalNode, injected_at: float) -> None:
    if not node.still_dead:
        message = f"{node.name} was started by somebody else within {time.time() - injected_at:.1f} s."
        raise NotConfirmedError(message)


def _transfer(queue: str, node: str) -> str:
    """Erlang that makes a node lead a quorum queue. The names are RabbitMQ's own, not a person's."""
    return (
        f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{contract.VHOST}">>, queue, <<"{queue}">>)), '
        f"rabbit_quorum_queue:transfer_leadership(Q, '{node}')."
    )


def _confirm(management: Management, victim: Victim, seconds: float) -> str:
    """Another node leads the queue, and the worker's connection is gone."""
    seen: dict[str, object] = {}
    gone = {consumer.connection for consumer in victim.connections}

    def felt() -> bool:
        try:
            leader = management.queue(victim.queue.name).leader
            still = gone & {consumer.connection for consumer in management.consumers()}
            runs = management.running(victim.node)
        except ManagementError as error:  # the survivors may need a moment
            seen.update(error=str(error))
            return False
        seen.update(leader=leader, still=sorted(still), runs=runs)
        return leader not in {"", victim.node} and not still and not runs

    if not wait_until(felt, seconds):
        message = f"{victim.node} after {seconds:.0f} s: {seen}"
        raise NotConfirmedError(message)
    return str(seen["leader"])


def _watch_return(management: Management, victim: Victim, say: Say, injected_at: float) -> None:
    """Note when the workers that lost their connection consume again; the verdict judges effects, not this."""
    gone = {consumer.connection for consumer in victim.connections}
    peers = {consumer.peer for consumer in victim.connections}

    def back() -> bool:
        try:
            now = worker_consumers(management.consumers(), Role.WORKER, management.queues())
        except ManagementError:
            return False
        return peers <= {consumer.peer for consumer in now if consumer.connection not in gone}

    if wait_until(back, 15.0, every_seconds=0.3):
        say({"event": "workers_back", "workers_seen_back_after_seconds": round(time.time() - injected_at, 2)})
