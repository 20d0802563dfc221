"""Counts the messages of each queue in the local stack's SQS emulator, exactly; the counts of AWS are rough."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app import contract
from loadtests.errors import NotReadyError
from loadtests.queues import Queue
from loadtests.target import Target

_ACCOUNT, _REGION = "000000000000", "eu-central-1"


class SqsQueues:
    """Asked as RabbitMQ's management API is (`queues.Management`)."""

    def __init__(self, target: Target) -> None:
        """Connect to nothing yet."""
        self._url = target.sqs_url
        self._client: Any = boto3.client(
            "sqs", endpoint_url=self._url, region_name=_REGION, aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - of no account
            config=Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1}),
        )  # fmt: skip

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def work_queues(self) -> list[Queue]:
        """The queues in which work may be."""
        names = contract.queue_names()
        return [self._queue(name) for name in (*names, *(f"{name}-dead" for name in names))]

    def _queue(self, name: str) -> Queue:
        try:
            counts = self._client.get_queue_attributes(
                QueueUrl=f"{self._url}/{_ACCOUNT}/millrace-{name}", AttributeNames=["All"]
            )["Attributes"]
        except (BotoCoreError, ClientError) as error:
            raise NotReadyError(f"SQS does not answer: {error}") from error
        number = "ApproximateNumberOfMessages"
        return Queue(
            name=name,
            ready=int(counts[number]) + int(counts[f"{number}Delayed"]),
            unacknowledged=int(counts[f"{number}NotVisible"]),
            consumers=1,  # SQS does not say
        )

    def nodes_running(self) -> dict[str, bool]:
        """One, if it answers."""
        self.work_queues()
        return {"sqs": True}

    def version(self) -> str:
        """Not AWS."""
        return "SQS, emulated by ministack"
