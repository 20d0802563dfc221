"""Dramatiq on RabbitMQ, with confirms as its documentation advises for production."""

from __future__ import annotations

from typing import Any

import dramatiq
import pika
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from fastapi import FastAPI

from loadtests.peers.programs.surroundings import BROKER_HOST, BROKER_NAME, BROKER_PASSWORD, Event, insert, trust

broker = RabbitmqBroker(
    confirm_delivery=True,
    host=BROKER_HOST,
    port=5671,
    virtual_host=BROKER_NAME,
    credentials=pika.PlainCredentials(BROKER_NAME, BROKER_PASSWORD),
    ssl_options=pika.SSLOptions(trust(), BROKER_HOST),
)
dramatiq.set_broker(broker)
api = FastAPI()


@dramatiq.actor
def record(event: dict[str, Any]) -> None:
    """The task."""
    insert(event)


@api.post("/v1/events", status_code=202)
def accept(event: Event) -> None:
    """The endpoint."""
    record.send(event.model_dump(mode="json"))
