"""Task messages by hand for brokers that carry text: SQS and Redis."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Protocol
from uuid import uuid4

from app import contract
from app.brokers.envelope import written


class Sends(Protocol):
    """The broker as an operator sees it."""

    def send(self, queue: str, text: str) -> None:
        """Send any text."""


class OnText(Protocol):
    """A stack on such a broker."""

    @property
    def queues(self) -> Sends:
        """Its broker."""


def publish_text(stack: OnText, queue: str, *, task: str, body: bytes) -> str:
    """A task message straight to the broker; returns the task's id."""
    task_id = str(uuid4())
    headers = {"task": task, "id": task_id, "root_id": task_id, "lang": "py", "retries": 0}
    properties: dict[str, Any] = {
        "correlation_id": task_id, "body_encoding": "base64", "delivery_info": {}, "delivery_tag": task_id,
    }  # fmt: skip
    message = {
        "body": b64encode(body).decode(), "content-type": "application/json", "content-encoding": "utf-8",
        "headers": headers, "properties": properties,
    }  # fmt: skip
    stack.queues.send(queue, written(message, most_bytes=contract.SQS_MESSAGE_MAX_BYTES))
    return task_id
