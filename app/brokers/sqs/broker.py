"""SQS as a broker, and what it cannot do."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from app import contract
from app.brokers.envelope import opened
from app.brokers.interface import Feature
from app.brokers.letters import ArrivedMessage
from app.brokers.sqs import client, topology, transport
from app.brokers.sqs.dead_letters import SqsDeadLetters
from app.brokers.sqs.publisher import SqsPublisher
from app.brokers.without_amqp import EveryQueue, refuse_outsiders
from app.contract import Role
from app.errors import NotOnThisBrokerError
from app.settings import Settings


class Sqs:
    """Two queues a class of work, the second for what was received too often."""

    cannot: Mapping[Feature, str] = {
        Feature.FLOWER: "SQS carries no events of workers, so Flower has nothing to show: the metrics have the counts.",
        Feature.REMOTE_CONTROL: "SQS has no broadcasts, so no worker hears `celery inspect` or `celery control`.",
        Feature.PRODUCERS: "SQS does not say who sent a message, so no other service may publish.",
        Feature.FOREIGN_APPLICATIONS: "SQS is reached with our roles' rights, so no other application may consume.",
        Feature.PRIORITIES: "SQS has no priorities: give urgent work a queue of its own.",
        Feature.RECONCILE: "SQS counts its messages only roughly, so nobody can say that one of them has vanished.",
        Feature.LEFTOVER_QUEUES: "Queues of SQS are made and removed by infra/aws, not by the application.",
        Feature.CONSUMERS: "SQS does not say who consumes a queue, so a canary goes to every queue.",
        Feature.DEAD_LETTERING: "SQS keeps no reason of a reject, so the worker archives a dead letter itself.",
    }
    longest_delay_seconds: float | None = 900.0
    counts_lag_seconds = 0.0
    silence_seconds: float | None = 2.0 * (client.WAIT_SECONDS + client.READ_SECONDS)

    def options(self, settings: Settings) -> dict[str, Any]:
        """The transport, and nothing that SQS does not have."""
        return {
            "broker_url": f"{transport.SCHEME}://",
            "broker_transport_options": {
                # With queues named here none is listed and none is made.
                "predefined_queues": {name: {"url": client.work_url(name)} for name in contract.queue_names()},
                "wait_time_seconds": client.WAIT_SECONDS,
            },
            "broker_heartbeat": None,
            "worker_enable_remote_control": False,
        }

    def publisher(self, settings: Settings, stop: threading.Event, *, name: str) -> SqsPublisher:
        """By SendMessageBatch."""
        return SqsPublisher()

    def dead_letters(self, settings: Settings) -> SqsDeadLetters:
        """Of every queue that SQS moves messages to."""
        return SqsDeadLetters()

    def consumed_queues(self, settings: Settings) -> EveryQueue:
        """All."""
        return EveryQueue()

    def declare(self, settings: Settings) -> None:
        """See that the queues are there, and that nobody was promised what SQS cannot do.

        Raises:
            NotOnThisBrokerError: queues.toml names producers or a foreign application.
        """
        refuse_outsiders(self.cannot)
        topology.declare(settings)

    def empty_queues(self, settings: Settings) -> frozenset[str]:
        """Not asked for.

        Raises:
            NotOnThisBrokerError: its counts are rough.
        """
        raise NotOnThisBrokerError(self.cannot[Feature.RECONCILE])

    def depths(self, settings: Settings) -> Mapping[str, Mapping[str, int]]:
        """CloudWatch has them; each question would be billed."""
        return {}

    def missing(self, settings: Settings) -> str | None:
        """The queues that this role uses, as far as it may ask; a process is told by its login at PostgreSQL."""
        match contract.user_of(settings.postgresql_user):
            case Role.ARCHIVER:
                urls = [client.dead_letter_url(queue) for queue in contract.queue_names()]
            case Role.WORKER:
                urls = [client.work_url(settings.worker_queue)]
            case Role.RELAY:
                urls = [client.work_url(queue) for queue in contract.queue_names()]
            case _:
                urls = []
        return next((words for url in urls if (words := topology.missing_queue(url)) is not None), None)

    def arrived(self, message: Any) -> ArrivedMessage:
        """As SQS would have moved it: read again from its text, so that both are one dead letter."""
        info = message.delivery_info
        return opened(info["sqs_message"]["Body"]).arrived(info["routing_key"], death_reason="")

    def answered_at(self) -> float:
        """When the last poll was answered."""
        return transport.answers.at
