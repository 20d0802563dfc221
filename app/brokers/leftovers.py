"""Queues that are not declared any more: they go when they are empty, because what they hold was accepted."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import tenacity
from kombu import Connection

from app import contract
from app.errors import NotReadyError, QueueStillUsedError
from app.settings import Settings

_TIMEOUT_SECONDS = 10.0
#: Counts as the queue's leader knows them; with statistics they are up to five seconds old.
_EXACT = {"disable_stats": "true", "enable_queue_totals": "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A queue of an earlier declaration, with its dead-letter queue."""

    name: str
    messages: int
    dead_letters: int

    @property
    def holds_work(self) -> bool:
        """Whether something would be lost with it."""
        return bool(self.messages or self.dead_letters)

    def __str__(self) -> str:
        """For errors."""
        return f"{self.name} ({self.messages} messages, {self.dead_letters} dead letters)"


def among(listed: Sequence[Mapping[str, Any]], declared: Sequence[str]) -> list[Leftover]:
    """The leftovers among the queues of the vhost. A queue without a dead-letter queue is not ours."""
    messages = {str(queue["name"]): int(queue.get("messages") or 0) for queue in listed}
    return [
        Leftover(name=name, messages=count, dead_letters=messages[contract.dead_letter_queue(name)])
        for name, count in messages.items()
        if contract.dead_letter_queue(name) in messages and name not in declared
    ]


def find(settings: Settings) -> list[Leftover]:
    """Ask the management API.

    Raises:
        NotReadyError: it does not answer.
    """
    try:
        return among(list_queues(settings), contract.queue_names())
    except httpx.HTTPError as error:
        raise NotReadyError(f"RabbitMQ's management API: {error}") from error


def refuse_held(settings: Settings) -> None:
    """Stop a deployment that forgets a queue with work in it.

    Raises:
        QueueStillUsedError: which, and how much.
    """
    if held := [leftover for leftover in find(settings) if leftover.holds_work]:
        raise QueueStillUsedError(", ".join(map(str, held)))


def remove(connection: Connection, settings: Settings, name: str) -> None:
    """Delete an empty leftover with its dead-letter queue. No relay has a lane for it, so nothing arrives meanwhile.

    Raises:
        QueueStillUsedError: it is declared, holds work, or is none of ours.
    """
    found = {leftover.name: leftover for leftover in find(settings)}
    if name not in found:
        what = "it is declared" if name in contract.queue_names() else "there is no such queue of ours"
        raise QueueStillUsedError(f"{name}: {what}")
    if found[name].holds_work:
        raise QueueStillUsedError(str(found[name]))
    if delayed := _delayed(list_queues(settings)):
        raise QueueStillUsedError(f"{name}: {delayed} messages wait in the delay ladder, maybe for it; ask again later")
    channel: Any
    with connection.channel() as channel:
        for queue in (name, contract.dead_letter_queue(name)):
            channel.queue_delete(queue)


def _delayed(listed: Sequence[Mapping[str, Any]]) -> int:
    """The number of retries and delayed tasks; the management API does not show which queue they are for."""
    ladder = (queue for queue in listed if str(queue["name"]).startswith(contract.DELAY_LADDER_PREFIX))
    return sum(int(queue.get("messages") or 0) for queue in ladder)


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(httpx.TransportError),
    wait=tenacity.wait_random_exponential(multiplier=0.5, max=5),
    stop=tenacity.stop_after_attempt(5),
    reraise=True,
)
def list_queues(settings: Settings) -> list[dict[str, Any]]:
    """The queues of the vhost, as the management API lists them."""
    url = f"https://{settings.rabbitmq_host}:{settings.rabbitmq_management_port}/api/queues/{quote(contract.VHOST)}"
    answer = httpx.get(
        url,
        params=_EXACT,
        auth=(settings.rabbitmq_user, settings.rabbitmq_password.get_secret_value()),
        verify=ssl.create_default_context(cafile=settings.rabbitmq_ca_file),
        timeout=_TIMEOUT_SECONDS,
        trust_env=False,
    )
    answer.raise_for_status()
    return list(answer.json())
