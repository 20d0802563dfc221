"""Celery's transport for SQS, mended (celery/kombu#2488, celery/celery#8350, and what a run of it showed).

As kombu 5.7.0 has it, a worker dies at the first broken connection or 5xx, waits for ever on a half-open one, dies when
SQS is throttled or a token has expired, loses a message whose queue this process has not declared, and takes every
message for delivered the first time.
"""

from __future__ import annotations

from typing import Any

import pycurl
import structlog
from botocore.exceptions import BotoCoreError, ClientError
from kombu import transport as transports
from kombu.asynchronous.aws.sqs.connection import AsyncSQSConnection
from kombu.asynchronous.http.curl import CurlClient
from kombu.transport import SQS

from app import contract
from app.brokers.envelope import opened, written
from app.brokers.interface import DELAY_SECONDS
from app.brokers.sqs import client
from app.brokers.transactional import queue_of
from app.brokers.without_amqp import Answers

log = structlog.get_logger(__name__)

#: How Celery's `broker_url` names it.
SCHEME = "millrace-sqs"
transports.TRANSPORT_ALIASES[SCHEME] = "app.brokers.sqs.transport:Transport"

#: Before the next poll when SQS failed. An answer that it is too busy must not bring it more calls.
_PAUSE_SECONDS = 1.0
#: Between two looks whether the children take another message.
_FULL_SECONDS = 0.01
#: A message that is given back is seen again after this: a child that it kills must not be killed in a tight loop.
_AGAIN_SECONDS = 1
_OK = 200


#: It also counts while nothing is asked because the children are busy.
answers = Answers()


# The stubs of kombu do not know what is overridden here.
_Curl: Any = CurlClient
_Connection: Any = AsyncSQSConnection
_Sqs: Any = SQS


class BoundedCurl(_Curl):  # type: ignore[misc]
    """kombu's client without end: curl has no time-outs of its own, and a half-open connection never ends."""

    def _setup_request(self, curl: Any, *args: Any, **options: Any) -> None:
        super()._setup_request(curl, *args, **options)
        curl.setopt(pycurl.CONNECTTIMEOUT, client.CONNECT_SECONDS)
        curl.setopt(pycurl.TIMEOUT, client.WAIT_SECONDS + client.READ_SECONDS)
        curl.setopt(pycurl.CAINFO, client.ca_file())


class PatientConnection(_Connection):  # type: ignore[misc]
    """An answer that is an error holds no messages; kombu's raises an exception that ends the worker."""

    failed = False

    def _on_list_ready(self, parent: Any, markers: Any, operation: str, response: Any) -> dict[str, Any]:
        self.failed = response.status != _OK
        if self.failed:
            words = (response.read() or b"")[:200]
            log.warning("sqs_failed", status=response.status, reason=str(response.reason), answer=str(words))
            return {}
        answers.came()
        return dict(super()._on_list_ready(parent, markers, operation, response))


class Channel(_Sqs.Channel):  # type: ignore[misc]
    """Polls on, whatever SQS answers; and sends by the queue's name, so that nothing has to be declared."""

    def sqs(self, queue: str | None = None) -> Any:
        """This process's client, for all queues."""
        return client.client()

    def asynsqs(self, queue: str | None = None) -> PatientConnection:
        """The connection that polls a queue."""
        known: dict[str | None, PatientConnection] = self._predefined_queue_async_clients
        if queue not in known:
            known[queue] = PatientConnection(sqs_connection=self.sqs(), http_client=BoundedCurl(self.hub))
        return known[queue]

    def basic_consume(self, queue: str, *args: Any, **options: Any) -> Any:
        """Ask once before the first poll, so that a worker that may not read says so instead of being idle.

        Raises:
            SqsAwayError: SQS does not answer; Celery tries again.
        """
        client.counts(client.work_url(queue))
        answers.came()
        return super().basic_consume(queue, *args, **options)

    def _schedule_queue(self, queue: str) -> None:
        if queue not in self._active_queues:
            return
        if not self.qos.can_consume():
            answers.came()
            self.hub.call_later(_FULL_SECONDS, self._schedule_queue, queue)
            return
        try:
            super()._schedule_queue(queue)
        except (BotoCoreError, ClientError, OSError) as error:  # no credentials to sign with, for instance
            log.warning("sqs_failed", reason=str(error))
            self.hub.call_later(_PAUSE_SECONDS, self._schedule_queue, queue)

    def _loop1(self, queue: str, messages_fetched: int | None = None) -> None:
        if self.asynsqs(self.canonical_queue_name(queue)).failed:
            self.hub.call_later(_PAUSE_SECONDS, self._schedule_queue, queue)
        else:
            self.hub.call_soon(self._schedule_queue, queue)

    def _message_to_python(self, message: dict[str, Any], queue_name: str, q_url: str) -> dict[str, Any]:
        received = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))
        delivery_info = {
            "exchange": contract.TASKS_EXCHANGE,
            "routing_key": queue_name,
            # SQS never changes a message. Only its receive count shows that a worker had it before.
            "redelivered": received > 1,
            "sqs_message": message,
            "sqs_queue": q_url,
        }
        body = message["Body"]
        text = body.decode() if isinstance(body, bytes) else body
        return opened(text).payload(message["ReceiptHandle"], delivery_info)

    def _lookup(self, exchange: str, routing_key: str, default: Any = None) -> list[str]:
        """The queue that a message goes to; kombu knows only what this very process has declared, and drops the rest.

        Raises:
            QueueNotDeclaredError: there is none.
        """
        return [queue_of(exchange, routing_key)]

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        """Send it.

        Raises:
            UnwritableMessageError: it is too long for SQS.
            SqsAwayError: SQS did not take it.
        """
        # A copy: Celery sends the caller's own properties again if this fails.
        properties = dict(message["properties"])
        delay_seconds = properties.pop(DELAY_SECONDS, None) or 0
        text = written({**message, "properties": properties}, most_bytes=contract.SQS_MESSAGE_MAX_BYTES)
        with client.answered():
            self.sqs().send_message(QueueUrl=client.work_url(queue), MessageBody=text, DelaySeconds=delay_seconds)

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Delete it. If that fails it comes again, and the inbox knows it."""
        try:
            url = self.qos.get(delivery_tag).delivery_info["sqs_queue"]
            self.sqs().delete_message(QueueUrl=url, ReceiptHandle=delivery_tag)
        except (BotoCoreError, ClientError) as error:
            log.warning("message_not_deleted", reason=str(error))
        finally:
            self.qos.ack(delivery_tag)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give it back. It is never dropped: a worker archives what is dead, and then acknowledges it."""
        try:
            self._restore(self.qos.get(delivery_tag))
        finally:
            self.qos.ack(delivery_tag)

    def _restore(self, message: Any, *_: Any) -> None:
        url = message.delivery_info["sqs_queue"]
        try:
            self.sqs().change_message_visibility(
                QueueUrl=url, ReceiptHandle=message.delivery_tag, VisibilityTimeout=_AGAIN_SECONDS
            )
        except (BotoCoreError, ClientError) as error:  # it is seen again when its time is over
            log.warning("message_not_given_back", reason=str(error))


class Transport(_Sqs.Transport):  # type: ignore[misc]
    """What Celery connects by."""

    Channel = Channel
