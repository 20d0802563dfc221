"""What Celery is told of a message of SQS, and what becomes of one that nobody would receive."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pycurl
import pytest
from botocore.exceptions import EndpointConnectionError

from app import contract
from app.brokers.interface import DELAY_SECONDS
from app.brokers.sqs import client, transport
from app.brokers.sqs.transport import BoundedCurl, Channel, PatientConnection
from app.errors import QueueNotDeclaredError


@pytest.fixture
def channel() -> Iterator[Any]:
    """A channel without a connection."""
    return Channel.__new__(Channel)


@pytest.mark.parametrize(("received", "redelivered"), [("1", False), ("2", True), ("17", True)])
def test_the_receive_count_tells_of_a_redelivery(channel: Any, received: str, redelivered: bool) -> None:
    """Without it a batch that killed its worker is never halved, and its neighbours die with the killer."""
    message = {"Body": "{}", "ReceiptHandle": "r", "Attributes": {"ApproximateReceiveCount": received}}

    payload = channel._message_to_python(message, "bulk", "https://sqs/bulk")

    assert payload["properties"]["delivery_info"]["redelivered"] is redelivered


def test_a_sender_cannot_say_where_a_message_came_from(channel: Any) -> None:
    """An acknowledgement goes to the queue that the message was received from."""
    body = '{"body": "x", "properties": {"delivery_tag": "1", "delivery_info": {"sqs_queue": "another"}}}'

    payload = channel._message_to_python({"Body": body, "ReceiptHandle": "r"}, "bulk", "https://sqs/bulk")

    assert payload["properties"]["delivery_tag"] == "r"
    assert payload["properties"]["delivery_info"]["sqs_queue"] == "https://sqs/bulk"


@pytest.mark.parametrize(("exchange", "key"), [(contract.TASKS_EXCHANGE, "typo"), ("elsewhere", "bulk")])
def test_a_message_that_no_queue_would_take_is_an_error(channel: Any, exchange: str, key: str) -> None:
    """Kombu sends it nowhere and says that it was sent."""
    with pytest.raises(QueueNotDeclaredError):
        channel._lookup(exchange, key)

    assert channel._lookup(contract.TASKS_EXCHANGE, "bulk") == ["bulk"]


@pytest.mark.parametrize("status", [400, 403, 500, 503, 599])
def test_an_answer_that_is_an_error_holds_no_messages(status: int) -> None:
    """Kombu raises, or returns a list and asks it for a key; either ends the worker."""
    connection = PatientConnection.__new__(PatientConnection)
    response = SimpleNamespace(status=status, reason="why", read=lambda: None)

    assert connection._on_list_ready(None, [], "ReceiveMessage", response) == {}
    assert connection.failed


def test_every_call_of_curl_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one whose other side is gone without a word."""
    said: dict[int, Any] = {}
    monkeypatch.setattr(transport.CurlClient, "_setup_request", lambda *_: None)

    BoundedCurl.__new__(BoundedCurl)._setup_request(SimpleNamespace(setopt=said.__setitem__), None, None, {})

    assert said[pycurl.CONNECTTIMEOUT] == client.CONNECT_SECONDS
    assert said[pycurl.TIMEOUT] > client.WAIT_SECONDS


def test_an_acknowledgement_that_fails_frees_its_place(channel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message comes again; a place that stays taken would be one child less for ever."""
    freed: list[str] = []

    def away(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="sqs")

    message = SimpleNamespace(delivery_info={"sqs_queue": "https://sqs/bulk"})
    channel._qos = SimpleNamespace(get=lambda _tag: message, ack=freed.append)
    monkeypatch.setattr(client, "client", lambda: SimpleNamespace(delete_message=away))

    channel.basic_ack("r")

    assert freed == ["r"]


def test_a_message_that_is_sent_again_keeps_its_delay(channel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery publishes the same properties a second time when the first call failed."""
    delays: list[int] = []

    def send(**call: Any) -> None:
        delays.append(call["DelaySeconds"])
        if len(delays) == 1:
            raise EndpointConnectionError(endpoint_url="sqs")

    monkeypatch.setattr(client, "client", lambda: SimpleNamespace(send_message=send))
    message = {"body": "x", "headers": {}, "properties": {DELAY_SECONDS: 30}}

    with pytest.raises(client.SqsAwayError):
        channel._put("bulk", message)
    channel._put("bulk", message)

    assert delays == [30, 30]
