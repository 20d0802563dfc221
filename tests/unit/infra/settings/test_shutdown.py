"""The shutdown contract: what is accepted survives a stop at any moment; what breaks it is refused and named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from infra.settings.load import parse, read_stack_file
from infra.settings.shutdown import Bound, bounds, broken
from infra.settings.stack import Stack

ROOT = Path(__file__).parents[4]
STAGING = parse(read_stack_file(ROOT / "Pulumi.staging.yaml"), "staging")

near = st.integers(-20, 200)


@st.composite
def times(draw: st.DrawFn) -> dict[str, int]:
    """Times near the edges of what is allowed: that is where a contract that is a little wrong is wrong."""
    v = {
        "pool.time_limit_seconds": draw(st.integers(2, 900)),
        "pool.prefetch_multiplier": draw(st.integers(1, 8)),
        "timings.broker_heartbeat_seconds": draw(st.integers(2, 60)),
        "timings.relay_confirm_seconds": draw(st.integers(1, 60)),
        "gateway.drain_seconds": draw(st.integers(0, 120)),
        "gateway.request_seconds": draw(st.integers(1, 300)),
        "broker.quorum_wait_seconds": draw(st.integers(10, 1000)),
        "broker.drain_seconds": draw(st.integers(10, 300)),
    }
    held = v["pool.time_limit_seconds"] * v["pool.prefetch_multiplier"]
    return v | {
        "pool.soft_time_limit_seconds": max(1, v["pool.time_limit_seconds"] - draw(near)),
        "pool.grace_period_seconds": max(5, v["pool.time_limit_seconds"] + draw(near)),
        "timings.consumer_timeout_seconds": max(60, held + draw(near)),
        "timings.relay_lease_seconds": max(1, v["timings.relay_confirm_seconds"] + draw(near)),
        "relay.grace_period_seconds": max(5, v["timings.relay_confirm_seconds"] + draw(near)),
        "gateway.grace_period_seconds": max(5, v["gateway.request_seconds"] + draw(near)),
        "broker.grace_period_seconds": max(
            30, v["broker.quorum_wait_seconds"] + v["broker.drain_seconds"] + draw(near)
        ),
    }


def _with(values: dict[str, int]) -> Stack:
    """Staging with other times, one pool; unvalidated, so that the contract alone speaks."""

    def of(part: str) -> dict[str, int]:
        return {key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{part}.")}

    workloads = STAGING.workloads
    entry = workloads.entries["interactive"].model_copy(update=of("pool"))
    return STAGING.model_copy(
        update={
            "broker": STAGING.broker.model_copy(update=of("broker")),
            "timings": STAGING.timings.model_copy(update=of("timings")),
            "workloads": workloads.model_copy(
                update={
                    "entries": {"interactive": entry},
                    "relay": workloads.relay.model_copy(update=of("relay")),
                    "gateway": workloads.gateway.model_copy(update=of("gateway")),
                }
            ),
        }
    )


def _killed(v: dict[str, int]) -> set[str]:
    """What would be cut off at the worst moment, played through second by second. Shares nothing with the contract.

    Each process is told to stop at second 0 and works through what it may still have to do, at its longest.
    """
    cut = set()
    #: A task that has just begun ends at its hard limit; its acknowledgement goes to a broker that has just vanished,
    #: which is noticed at the second missing heartbeat.
    worker_done = v["pool.time_limit_seconds"] + 2 * v["timings.broker_heartbeat_seconds"]
    if worker_done >= v["pool.grace_period_seconds"]:
        cut.add("pool")
    #: The soft limit of that task comes first, or the task is never asked to clean up.
    if v["pool.soft_time_limit_seconds"] >= v["pool.time_limit_seconds"]:
        cut.add("soft")
    #: The last of a child's messages is held while all before it run to their hard limit.
    if v["pool.time_limit_seconds"] * v["pool.prefetch_multiplier"] >= v["timings.consumer_timeout_seconds"]:
        cut.add("consumer")
    #: A batch that has just been published.
    relay_done = v["timings.relay_confirm_seconds"] + 2 * v["timings.broker_heartbeat_seconds"]
    if relay_done >= v["relay.grace_period_seconds"]:
        cut.add("relay")
    if v["timings.relay_confirm_seconds"] >= v["timings.relay_lease_seconds"]:
        cut.add("lease")
    #: A request that arrives in the last second of the drain.
    if v["gateway.drain_seconds"] + v["gateway.request_seconds"] >= v["gateway.grace_period_seconds"]:
        cut.add("gateway")
    if v["broker.quorum_wait_seconds"] + v["broker.drain_seconds"] >= v["broker.grace_period_seconds"]:
        cut.add("broker")
    return cut


#: The bound that forbids each kind of being cut off.
FORBIDS = {
    "soft": "workloads.pools.interactive.timeLimitSeconds",
    "pool": "workloads.pools.interactive.gracePeriodSeconds",
    "consumer": "timings.consumerTimeoutSeconds (for interactive)",
    "lease": "timings.relayLeaseSeconds",
    "relay": "workloads.relay.gracePeriodSeconds",
    "gateway": "workloads.gateway.gracePeriodSeconds",
    "broker": "broker.gracePeriodSeconds",
}


@given(times())
@settings(max_examples=200)
def test_what_would_be_cut_off_is_refused(values: dict[str, int]) -> None:
    """Whatever a stop at the worst moment would cut off, the contract names; so nothing accepted is cut off."""
    sentences = broken(_with(values))
    for kind in _killed(values):
        assert any(sentence.startswith(FORBIDS[kind]) for sentence in sentences), kind


@given(times())
@settings(max_examples=200)
def test_what_ends_in_good_time_is_accepted(values: dict[str, int]) -> None:
    """Nor is anything refused for nothing: with minutes to spare everywhere there is no sentence."""
    spare = {name: value + 200 for name, value in values.items() if name in PATIENT.values()}
    later = values | spare
    # The time limit is on both sides: more of it needs more grace.
    later["pool.grace_period_seconds"] += 200
    later["timings.consumer_timeout_seconds"] += 200 * later["pool.prefetch_multiplier"]
    assert broken(_with(later)) == ()


#: The side of each bound that is given to wait, as a time of TIMES.
PATIENT = {
    "workloads.pools.interactive.timeLimitSeconds": "pool.time_limit_seconds",
    "workloads.pools.interactive.gracePeriodSeconds": "pool.grace_period_seconds",
    "timings.consumerTimeoutSeconds (for interactive)": "timings.consumer_timeout_seconds",
    "timings.relayLeaseSeconds": "timings.relay_lease_seconds",
    "workloads.relay.gracePeriodSeconds": "relay.grace_period_seconds",
    "workloads.gateway.gracePeriodSeconds": "gateway.grace_period_seconds",
    "broker.gracePeriodSeconds": "broker.grace_period_seconds",
}


@pytest.mark.parametrize("bound", bounds(_with({})), ids=lambda bound: bound.more)
def test_each_bound_is_tight(bound: Bound) -> None:
    """At its edge it holds; a second below, exactly one sentence says what is wrong, by how much and why."""
    name, least = bound.more, int(bound.less_seconds)
    assert not [sentence for sentence in broken(_with({PATIENT[name]: least})) if sentence.startswith(name)]
    [sentence] = [one for one in broken(_with({PATIENT[name]: least - 1})) if one.startswith(name)]
    assert sentence == f"{name} is {least - 1} s and must be at least {least} s ({bound.less}): {bound.why}"
