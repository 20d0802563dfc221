"""Prometheus' names of our processes: in the local stack by its settings, on Kubernetes as its operator gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.contract import Queue
from infra import naming
from infra.settings.backends import CloudNativePG, RabbitMQ, RedisBroker
from infra.settings.queues import REPOSITORY
from infra.settings.scaling import least_replicas
from infra.settings.stack import Stack

WORKER = "worker"
#: The second endpoint of the brokers, with a series a queue; two endpoints of one job would write one series `up`.
RABBITMQ_QUEUES = "rabbitmq-queues"
_BROKER = (naming.RABBITMQ, RABBITMQ_QUEUES)
#: Rules for only one target stand in a file of this name.
_COMMON, _KUBERNETES = "millrace", "kubernetes"


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The pods or containers that one job of Prometheus asks."""

    #: The process, by the same name in both targets; workers of all pools are `worker`.
    process: str
    #: The label `job` of their series.
    job: str
    #: The number of targets in quiet times. A deleted one has no series `up`, so only a count shows that it is gone.
    least: int


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where the rules are evaluated. Templates of rules ask this object for everything that differs."""

    watched: tuple[Watched, ...]
    #: Where the pages of runbooks/ are, without a slash at the end.
    runbooks_url: str
    rule_files: tuple[str, ...] = (_COMMON,)
    #: How the database is backed up; this decides which metric shows the time of the last backup.
    replicated_database: bool = False
    managed_database: bool = False
    #: Only our relays count what is in the broker's queues.
    relays_count: bool = False

    def of(self, *processes: str) -> str:
        """The matcher of these processes' series; each job is named, so that no other project's target matches."""
        return _matcher([one.job for one in self._of(*processes)])

    @property
    def others(self) -> str:
        """The matcher of all but the brokers."""
        return _matcher([one.job for one in self.watched if one.process != naming.RABBITMQ])

    @property
    def counted(self) -> tuple[Watched, ...]:
        """All but the brokers, which have an alert of their own."""
        return tuple(one for one in self.watched if one.process not in _BROKER)

    @property
    def brokers(self) -> int:
        """How many broker nodes Prometheus asks; none where somebody else runs them, and watches them."""
        return sum(one.least for one in self.watched if one.process == naming.RABBITMQ)

    @property
    def ours(self) -> str:
        """The matcher of what Kubernetes' own exporters say of our namespaces."""
        return f'namespace=~"{"|".join(naming.NAMESPACES)}"'

    def _of(self, *processes: str) -> list[Watched]:
        found = [one for one in self.watched if one.process in processes]
        if missing := sorted(set(processes) - {one.process for one in found}):
            raise KeyError(
                f"nobody is asked for metrics as {', '.join(missing)}: infra/observability/targets.py has those who are"
            )
        return found


def _matcher(jobs: Sequence[str]) -> str:
    names = list(dict.fromkeys(jobs))
    return f'job="{names[0]}"' if len(names) == 1 else f'job=~"{"|".join(names)}"'


def compose(nodes: Sequence[str], queues: Sequence[Queue]) -> Target:
    """The local stack. Its pages are the checkout's own files."""
    own = [queue for queue in queues if not queue.foreign]
    counts = {
        naming.GATEWAY: 1,
        naming.RELAY: 2,
        WORKER: len(own),
        naming.ARCHIVER: 1,
        naming.BEAT: 1,
        naming.RABBITMQ: len(nodes),
        RABBITMQ_QUEUES: len(nodes),
        "prometheus": 1,
    }
    return Target(
        watched=tuple(Watched(process=name, job=name, least=count) for name, count in counts.items()),
        runbooks_url=(REPOSITORY / "runbooks").as_uri(),
    )


def kubernetes(stack: Stack) -> Target:
    """A stack with an operator of Prometheus, which names a job after its PodMonitor: `namespace/name`."""
    workloads = stack.workloads
    found = [
        (naming.GATEWAY, naming.GATEWAY, least_replicas(workloads.gateway.scaling)),
        (naming.RELAY, naming.RELAY, workloads.relay.replicas),
        *((WORKER, naming.worker(pool.name), least_replicas(pool.scaling)) for pool in workloads.own_pools),
        (naming.ARCHIVER, naming.ARCHIVER, 1),
        (naming.BEAT, naming.BEAT, 1),
    ]
    if isinstance(stack.broker, RabbitMQ):
        found += [(monitor, monitor, stack.broker.nodes) for monitor in _BROKER]
    replicated = isinstance(stack.database, CloudNativePG)
    if isinstance(stack.database, CloudNativePG):
        found.append((naming.POSTGRESQL, naming.POSTGRESQL, stack.database.instances))
    return Target(
        watched=tuple(
            Watched(process=process, job=f"{_namespace(monitor)}/{monitor}", least=least)
            for process, monitor, least in found
        ),
        runbooks_url=stack.cluster.runbooks_url or "",
        rule_files=(_COMMON, _KUBERNETES),
        replicated_database=replicated,
        managed_database=not stack.database.in_cluster,
        relays_count=isinstance(stack.broker, RedisBroker),
    )


def _namespace(monitor: str) -> str:
    return naming.namespace_of(naming.RABBITMQ if monitor == RABBITMQ_QUEUES else monitor)
