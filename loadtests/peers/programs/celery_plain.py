"""Celery as "First steps with Celery" starts it: no option but the broker's address."""

from __future__ import annotations

import ssl
from typing import Any

from celery import Celery
from fastapi import FastAPI

from loadtests.peers.programs.surroundings import BROKER_URL, CA_FILE, Event, insert

app = Celery("celery_plain", broker=BROKER_URL)
app.conf.broker_use_ssl = {"ca_certs": CA_FILE, "cert_reqs": ssl.CERT_REQUIRED}
api = FastAPI()


@app.task
def record(event: dict[str, Any]) -> None:
    """The task."""
    insert(event)


@api.post("/v1/events", status_code=202)
def accept(event: Event) -> None:
    """The endpoint."""
    record.delay(event.model_dump(mode="json"))
