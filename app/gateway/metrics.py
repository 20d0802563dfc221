"""The gateway's metrics; names from the contract."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from app import contract

#: Seconds; the SLO on acceptance sits between 0.1 and 0.5.
_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Counter(
    contract.METRIC_HTTP_REQUESTS.removesuffix("_total"), "Requests answered.", ["route", "method", "status"]
)
SECONDS = Histogram(contract.METRIC_HTTP_SECONDS, "Seconds to answer.", ["route"], buckets=_BUCKETS)
ITEMS_ACCEPTED = Counter(contract.METRIC_ITEMS_ACCEPTED.removesuffix("_total"), "Items accepted.", ["queue"])
SHED = Counter(
    contract.METRIC_REQUESTS_SHED.removesuffix("_total"), "Requests refused because too much waits.", ["queue"]
)
BODIES_BYTES = Gauge(
    contract.METRIC_BODIES_BYTES, "Bytes of all bodies and their messages that are read or worked on at this moment."
)
BODIES_REFUSED = Counter(
    "millrace_gateway_bodies_refused", "Requests refused because the bodies of others fill the memory."
)
CONNECTIONS_REFUSED = Counter(
    "millrace_gateway_connections_refused",
    "Connections closed without a request of theirs reaching the application.",
    ["reason"],
)
LIMITER_LOCAL = Counter(
    "millrace_gateway_limiter_local", "Rate limits decided by this process alone, because Redis did not answer."
)
SERVER_ANSWERS = Gauge(contract.METRIC_SERVER_ANSWERS, "1 if this server answered the last question.", ["server"])
# A series that appears only when it counts cannot be alerted on: its first step looks like no step.
for _reason in ("too_many", "no_request", "head_too_large", "malformed"):
    CONNECTIONS_REFUSED.labels(_reason)
for _queue in contract.queue_names():
    ITEMS_ACCEPTED.labels(_queue)
    SHED.labels(_queue)
