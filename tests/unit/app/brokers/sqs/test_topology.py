"""`python -m app topology` on SQS: what is missing is said in a sentence, and not in a traceback."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from app.brokers.sqs import client, topology
from app.errors import NotReadyError
from app.settings import Settings


@pytest.mark.parametrize("endpoint", ["http://sqs:4566", ""], ids=["an emulator", "AWS"])
def test_an_sqs_that_does_not_answer_is_not_ready(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the queues are made here or looked at."""

    def away(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://sqs")

    monkeypatch.setenv("MILLRACE_SQS_QUEUE_PREFIX", "https://sqs/1/stack-")
    monkeypatch.setattr(client, "client", lambda: SimpleNamespace(create_queue=away, get_queue_attributes=away))
    settings = Settings(broker="sqs", sqs_queue_prefix="https://sqs/1/stack-", sqs_endpoint_url=endpoint)

    with pytest.raises(NotReadyError, match="https://sqs"):
        topology.declare(settings)
