"""Celery with the durability options of its documentation: late acknowledgement, confirms, a quorum queue."""

from __future__ import annotations

import ssl
from typing import Any

from celery import Celery
from fastapi import FastAPI

from loadtests.peers.programs.surroundings import BROKER_URL, CA_FILE, Event, insert

app = Celery("celery_durable", broker=BROKER_URL)
app.conf.update(
    broker_use_ssl={"ca_certs": CA_FILE, "cert_reqs": ssl.CERT_REQUIRED},
    broker_transport_options={"confirm_publish": True},
    task_default_queue="durable",
    task_default_queue_type="quorum",
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
)
api = FastAPI()


@app.task
def record(event: dict[str, Any]) -> None:
    """The task."""
    insert(event)


@api.post("/v1/events", status_code=202)
def accept(event: Event) -> None:
    """The endpoint."""
    record.delay(event.model_dump(mode="json"))
