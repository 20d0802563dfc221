"""The client of SQS, with every wait bounded; and where each queue is."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app.settings import load

CONNECT_SECONDS = 3
#: For an answer that SQS does not keep us waiting for. A call is made once and ends in 6 s: a relay's last one begins
#: within its 8 s for confirms, and its lease of the messages lasts 15 s.
READ_SECONDS = 3
#: Of a long poll, SQS' largest.
WAIT_SECONDS = 20
#: Threads of a relay, each with a call under way.
_CONNECTIONS = 20
#: SQS' own limit of the messages of one call.
BATCH_MAX_MESSAGES = 10
#: Of a relay all lanes begin at once.
_making = threading.Lock()


def work_url(queue: str) -> str:
    """Of a work queue."""
    return f"{load().sqs_queue_prefix}{queue}"


def dead_letter_url(queue: str) -> str:
    """Of the queue that a message is moved to which was received too often."""
    return f"{work_url(queue)}-dead"


def ca_file() -> str:
    """The authority of the server's certificate: AWS' public ones, which botocore brings, or ours for an emulator."""
    return load().ca_file if load().sqs_endpoint_url else str(Path(botocore.__file__).with_name("cacert.pem"))


def client() -> Any:
    """Of boto3, this process's own: a child that used its parent's connections would mix two conversations on one."""
    with _making:
        return _client(os.getpid())


@cache
def _client(_pid: int) -> Any:
    url = load().sqs_endpoint_url
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 1},  # those who call try again
        max_pool_connections=_CONNECTIONS,
    )
    verify = False if url.startswith("http://") else ca_file()
    # boto3 itself reads only AWS_DEFAULT_REGION, and Pod Identity sets AWS_REGION.
    region = os.environ.get("AWS_REGION") or None
    session = boto3.session.Session(region_name=region)  # the default one is not for threads
    return session.client("sqs", endpoint_url=url or None, verify=verify, config=config)


class SqsAwayError(ConnectionError):
    """SQS does not answer, or refuses this process."""


@contextmanager
def answered() -> Iterator[None]:
    """Make every failure of a call a failed connection, which those who call wait out.

    Raises:
        SqsAwayError: in place of botocore's errors.
    """
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise SqsAwayError(str(error)) from error


def counts(url: str) -> dict[str, int]:
    """About how many messages a queue holds: `visible`, `held` by consumers, `delayed`.

    Raises:
        SqsAwayError: SQS does not answer, or has no such queue.
    """
    names = {
        "visible": "ApproximateNumberOfMessages", "held": "ApproximateNumberOfMessagesNotVisible",
        "delayed": "ApproximateNumberOfMessagesDelayed",
    }  # fmt: skip
    with answered():
        found = client().get_queue_attributes(QueueUrl=url, AttributeNames=list(names.values()))["Attributes"]
    return {name: int(found[theirs]) for name, theirs in names.items()}
