"""Latency figures that keep the tail: HdrHistogram, microseconds, three significant digits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

from loadtests.history import History, Kind, Outcome
from loadtests.observation import Observation

_ONE_HOUR_MICROSECONDS = 3_600_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles in milliseconds. A negative sample is a broken clock: counted, never dropped in silence."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float
    negative: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Every figure apart, never one for all: who is slow must be visible."""

    #: From the intended send time to the committed effect: what a user who keeps to the clock waits.
    end_to_end: Latency
    end_to_end_single: Latency
    end_to_end_list: Latency
    #: From the actual send to the gateway's answer.
    http: Latency
    #: From the intended to the actual send: the generator's own health.
    send_lateness: Latency


def summarise(seconds: Iterable[float]) -> Latency:
    """Figures of a series of seconds."""
    histogram = HdrHistogram(1, _ONE_HOUR_MICROSECONDS, 3)
    negative = 0
    for sample in seconds:
        if sample < 0:
            negative += 1
        else:
            histogram.record_value(min(max(round(sample * 1e6), 1), _ONE_HOUR_MICROSECONDS))

    def at(percentile: float) -> float:
        return round(histogram.get_value_at_percentile(percentile) / 1000, 3) if histogram.total_count else 0.0

    return Latency(count=histogram.total_count, p50=at(50), p95=at(95), p99=at(99), max=at(100), negative=negative)


def measure(history: History, seen: Observation) -> Latencies:
    """All figures of a run. The first row of an event is its effect; later ones are the reconciler's business."""
    stored_at: dict[str, float] = {}
    for row in seen.effects:
        stored_at[row.event_id] = min(row.stored_at, stored_at.get(row.event_id, row.stored_at))
    by_kind: dict[Kind, list[float]] = {Kind.SINGLE: [], Kind.LIST: []}
    http: list[float] = []
    lateness: list[float] = []
    for attempt in history.attempts:
        intent, result = attempt.intent, attempt.result
        if result.sent_at is not None:
            lateness.append(result.sent_at - intent.intended_at)
            if result.returned_at is not None and result.status is not None:
                http.append(result.returned_at - result.sent_at)
        if attempt.outcome is Outcome.ACCEPTED:
            by_kind[intent.kind] += [
                stored_at[effect.event_id] - intent.intended_at
                for effect in intent.effects
                if effect.event_id in stored_at
            ]
    return Latencies(
        end_to_end=summarise(by_kind[Kind.SINGLE] + by_kind[Kind.LIST]),
        end_to_end_single=summarise(by_kind[Kind.SINGLE]),
        end_to_end_list=summarise(by_kind[Kind.LIST]),
        http=summarise(http),
        send_lateness=summarise(lateness),
    )
