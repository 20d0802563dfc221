"""The broker that this process has, by MILLRACE_BROKER."""

from __future__ import annotations

from functools import cache

import structlog

from app.brokers.interface import Broker, Feature
from app.errors import NotOnThisBrokerError
from app.settings import load

log = structlog.get_logger(__name__)


@cache
def broker() -> Broker:
    """The broker. Each brings libraries of its own, so no other one is imported."""
    if load().broker == "sqs":
        from app.brokers.sqs.broker import Sqs  # noqa: PLC0415

        return Sqs()
    if load().broker == "redis":
        from app.brokers.redis.broker import Redis  # noqa: PLC0415

        return Redis()
    from app.brokers.rabbitmq.broker import RabbitMQ  # noqa: PLC0415

    return RabbitMQ()


def able(feature: Feature) -> bool:
    """Whether the broker can do this."""
    return feature not in broker().cannot


def refuse(feature: Feature) -> None:
    """End what needs a feature that the broker does not have.

    Raises:
        NotOnThisBrokerError: it does not have it; the sentence says why.
    """
    if sentence := broker().cannot.get(feature):
        raise NotOnThisBrokerError(sentence)


def announce() -> None:
    """Say once at the start what the broker cannot do."""
    if sentences := list(broker().cannot.values()):
        log.info("broker_cannot", broker=load().broker, sentences=sentences)
