"""Reads the metrics of a stack's processes as Prometheus would read them."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from app import contract
from tests.harness.stack import Stack
from tests.harness.waiting import eventually


def samples(stack: Stack, name: str, metric: str) -> dict[tuple[str, ...], float]:
    """Samples of a process by their labels' values, in the order of the labels' names."""
    with stack.metrics_client(name) as client:
        return samples_in(client.get("/metrics").text, metric)


def samples_in(text: str, metric: str) -> dict[tuple[str, ...], float]:
    """The samples of a metric in the text of `/metrics`."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == metric
    }


def relays(stack: Stack) -> list[str]:
    """The relays that run."""
    return [name for name in stack.machines if name.startswith("relay")]


def not_taken(stack: Stack, queue: str, reason: str) -> float:
    """Messages of a queue that the broker did not take: `unroutable`, `nacked` or `refused`; of all relays that run."""
    running = [name for name in relays(stack) if stack.machines[name].running]
    return eventually(
        lambda: (sum(samples(stack, name, contract.METRIC_RELAY_REFUSED)[queue, reason] for name in running),),
        what="the relays tell",
        tolerate=(httpx.HTTPError,),
    )[0]
