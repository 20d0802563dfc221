"""The workers' metrics of rate limits and of calls to other systems."""

from __future__ import annotations

from prometheus_client import Counter

from app import contract

LIMIT_TURNS = Counter(contract.METRIC_LIMIT_TURNS.removesuffix("_total"), "Turns asked for", ["limit", "outcome"])
FAR_SIDE_CALLS = Counter(
    contract.METRIC_FAR_SIDE_CALLS.removesuffix("_total"), "Calls that happen once", ["far_side", "outcome"]
)
