"""The shutdown contract: which time must be longer than which, and why. One list, checked as a whole.

A pod that is told to stop has its grace period; then the kernel kills it. A task that is killed runs again, and its
message counts one more delivery: so everything that may still run must fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from infra.settings.backends import RabbitMQ
from infra.settings.values import Model

if TYPE_CHECKING:
    from infra.settings.stack import Stack
    from infra.settings.workloads import Pool

#: For what no setting bounds: a python that ends, a kubelet that is late.
MARGIN_SECONDS = 10.0
#: After the soft limit a task may clean up; less than this and the hard limit is the only one.
CLEAN_UP_SECONDS = 5.0
#: RabbitMQ's own stop after the drain: closes its queues' logs.
BROKER_STOP_SECONDS = 20.0
#: A lost connection is noticed when two heartbeats in a row are missing.
MISSED_HEARTBEATS = 2


class Timings(Model):
    """Times that several processes share."""

    broker_heartbeat_seconds: int = Field(10, ge=2, le=60)
    consumer_timeout_seconds: int = Field(1800, ge=60, description="a message held longer is taken from its worker")
    relay_confirm_seconds: float = Field(8.0, gt=0, description="the broker's confirm of a batch")
    relay_lease_seconds: float = Field(15.0, gt=0, description="a batch of a crashed relay waits so long")


@dataclass(frozen=True)
class Bound:
    """`less` must not exceed `more`. Each side says where its number comes from."""

    less: str
    less_seconds: float
    more: str
    more_seconds: float
    why: str

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.less_seconds <= self.more_seconds

    def __str__(self) -> str:
        """Say what is wrong and which way out."""
        return (
            f"{self.more} is {self.more_seconds:g} s and must be at least {self.less_seconds:g} s "
            f"({self.less}): {self.why}"
        )


def bounds(stack: Stack) -> tuple[Bound, ...]:
    """Every bound of a stack."""
    pools = (of_pool(pool, f"workloads.pools.{pool.name}.", stack.timings) for pool in stack.workloads.pools)
    return (*(bound for pool in pools for bound in pool), *_others(stack))


def broken(stack: Stack) -> tuple[str, ...]:
    """What does not fit, a sentence each; empty when a stop at any moment ends in time."""
    return tuple(str(bound) for bound in bounds(stack) if not bound.holds)


def of_pool(pool: Pool, where: str, timings: Timings) -> Iterator[Bound]:
    """Every bound of a pool; `where` stands before its keys."""
    yield Bound(
        "softTimeLimitSeconds and 5 s to clean up",
        pool.soft_time_limit_seconds + CLEAN_UP_SECONDS,
        f"{where}timeLimitSeconds",
        pool.time_limit_seconds,
        "a task that is told to stop must have time to do so",
    )
    yield Bound(
        "timeLimitSeconds, two broker heartbeats and a margin of 10 s",
        pool.time_limit_seconds + MISSED_HEARTBEATS * timings.broker_heartbeat_seconds + MARGIN_SECONDS,
        f"{where}gracePeriodSeconds",
        pool.grace_period_seconds,
        "a warm shutdown finishes what runs, and may find its broker gone when it acknowledges",
    )
    yield Bound(
        f"timeLimitSeconds for each of the {pool.prefetch_multiplier} messages a child holds, and a margin of 10 s",
        pool.time_limit_seconds * pool.prefetch_multiplier + MARGIN_SECONDS,
        f"timings.consumerTimeoutSeconds (for {pool.name})",
        timings.consumer_timeout_seconds,
        "else the broker takes messages away from a worker that is well, and every one runs twice",
    )


def _others(stack: Stack) -> Iterator[Bound]:
    timings, broker, gateway = stack.timings, stack.broker, stack.workloads.gateway
    yield Bound(
        "timings.relayConfirmSeconds and 5 s",
        timings.relay_confirm_seconds + 5,
        "timings.relayLeaseSeconds",
        timings.relay_lease_seconds,
        "else a second relay publishes a batch that the first still waits for",
    )
    yield Bound(
        "timings.relayConfirmSeconds, two broker heartbeats and a margin of 10 s",
        timings.relay_confirm_seconds + MISSED_HEARTBEATS * timings.broker_heartbeat_seconds + MARGIN_SECONDS,
        "workloads.relay.gracePeriodSeconds",
        stack.workloads.relay.grace_period_seconds,
        "a relay finishes the batch it has published",
    )
    yield Bound(
        "drainSeconds, requestSeconds and a margin of 10 s",
        gateway.drain_seconds + gateway.request_seconds + MARGIN_SECONDS,
        "workloads.gateway.gracePeriodSeconds",
        gateway.grace_period_seconds,
        "load balancers send requests for a while yet, and the last of them must be answered",
    )
    if not isinstance(broker, RabbitMQ):
        return
    yield Bound(
        "quorumWaitSeconds, drainSeconds and 20 s to stop",
        broker.quorum_wait_seconds + broker.drain_seconds + BROKER_STOP_SECONDS,
        "broker.gracePeriodSeconds",
        broker.grace_period_seconds,
        "a node waits for the others to be a quorum, then hands its leaders over",
    )
