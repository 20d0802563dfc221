"""The interface to the broker, whichever it is; `app/brokers/chosen.py` alone knows which one a process has."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from app.brokers.letters import ArrivedMessage
from app.settings import Settings
from app.storage.outbox import ClaimedMessage

#: The publish option that says how long the broker is to keep a message back, where it can.
DELAY_SECONDS = "DelaySeconds"


class Feature(StrEnum):
    """What not every broker can do."""

    FLOWER = "flower"
    REMOTE_CONTROL = "remote-control"
    PRODUCERS = "producers"
    FOREIGN_APPLICATIONS = "foreign-applications"
    PRIORITIES = "priorities"
    RECONCILE = "reconcile"
    LEFTOVER_QUEUES = "leftover-queues"
    CONSUMERS = "consumers"
    #: A message that is rejected goes to the dead-letter queue. Where not, a worker archives it itself.
    DEAD_LETTERING = "dead-lettering"


@dataclass(slots=True)
class PublishResult:
    """The messages of a batch by what became of them. One in no list may have been sent; it is sent again."""

    confirmed: list[UUID] = field(default_factory=list)
    #: The exchange or the queue is missing. RabbitMQ confirms what no queue takes: a return before it means not sent.
    unroutable: list[UUID] = field(default_factory=list)
    #: The queue is full (overflow reject-publish) or its leader is changing; or the broker took others of the batch.
    nacked: list[UUID] = field(default_factory=list)
    #: It cannot be written for the broker, or the broker refused this very message; with the words for it.
    refused: dict[UUID, str] = field(default_factory=dict)


class BrokerAwayError(Exception):
    """The connection is gone; what was confirmed before is in `result`."""

    def __init__(self, error: BaseException, result: PublishResult) -> None:
        """Keep what is known."""
        super().__init__(f"{type(error).__name__}: {error}")
        self.result = result


class Publisher(Protocol):
    """Publishes claimed batches; not shared between threads."""

    #: When it last looked for the broker's answer (time.monotonic).
    looked_at: float

    @property
    def connected(self) -> bool:
        """Whether the broker answered, and has not failed since."""

    def connect(self) -> None:
        """Connect if not connected; raises OSError or AMQPError if the broker does not answer."""

    def close(self) -> None:
        """Forget the connection."""

    def waiting(self, queue: str) -> int | None:
        """How many messages wait in a queue; None if the broker cannot be asked now. Raises BrokerAwayError."""

    def publish(self, messages: Sequence[ClaimedMessage], *, timeout_seconds: float) -> PublishResult:
        """Publish all, and say what became of each. Raises BrokerAwayError."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A dead message in our hands, and the tag to acknowledge it by."""

    tag: Any
    message: ArrivedMessage


class DeadLetterSource(Protocol):
    """Holds dead letters until they are safe elsewhere; not shared between threads."""

    @property
    def connected(self) -> bool:
        """Whether the broker answered, and has not failed since."""

    def connect(self) -> None:
        """Connect if not connected; raises OSError or AMQPError if the broker does not answer."""

    def close(self) -> None:
        """Forget the connection; what is not acknowledged comes again."""

    def gather(self, *, wait_seconds: float) -> list[Delivery]:
        """Return the messages that have arrived; wait so long for the first. Raises OSError or AMQPError."""

    def acknowledge(self, deliveries: list[Delivery]) -> None:
        """These are safe elsewhere. Raises OSError or AMQPError."""


class ConsumedQueues(Protocol):
    """Which queues have consumers."""

    #: Whether the broker answered the last question.
    answered: bool

    def among(self, queues: Iterable[str]) -> frozenset[str]:
        """Those of `queues` that have a consumer."""


class Broker(Protocol):
    """One kind of broker."""

    @property
    def cannot(self) -> Mapping[Feature, str]:
        """What it cannot do: a sentence each, for whoever asks for it."""

    #: It keeps a message back for at most so many seconds; a longer delay waits in the outbox. None: any delay.
    longest_delay_seconds: float | None
    #: Seconds without an answer after which a worker is not consuming any more. None: its connection tells.
    silence_seconds: float | None
    #: Counts of messages may be so old.
    counts_lag_seconds: float

    def options(self, settings: Settings) -> dict[str, Any]:
        """Celery's options that differ from broker to broker."""

    def publisher(self, settings: Settings, stop: threading.Event, *, name: str) -> Publisher:
        """What a lane of the relay publishes with; `stop` ends a wait for a broker that blocks publishers."""

    def dead_letters(self, settings: Settings) -> DeadLetterSource:
        """What the archiver reads."""

    def consumed_queues(self, settings: Settings) -> ConsumedQueues:
        """What beat asks."""

    def declare(self, settings: Settings) -> None:
        """Make what the processes need, or see that it is there. Raises a MillraceError if it cannot be."""

    def empty_queues(self, settings: Settings) -> frozenset[str]:
        """The queues of which it holds no message, neither held nor delayed nor dead. Raises NotReadyError."""

    def depths(self, settings: Settings) -> Mapping[str, Mapping[str, int]]:
        """Messages by queue and state, for a relay's metrics; nothing where others measure it. Raises OSError."""

    def missing(self, settings: Settings) -> str | None:
        """What this process needs and the broker lacks, as far as this role may see it."""

    def arrived(self, message: Any) -> ArrivedMessage:
        """A message in a worker's hands as the dead letter that it becomes."""

    def answered_at(self) -> float:
        """When the broker last answered this worker (time.monotonic)."""
