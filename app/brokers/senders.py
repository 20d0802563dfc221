"""What a message may say depends on its sender, whom RabbitMQ knows: `user_id` is refused unless it is the user's own.

Other services publish to our queues (docs/producers.md). Whose key a message carries, and which job it belongs to, are
words of ours: with another API key's scope one could occupy its keys, and its work would never be done. And what a
message asks a worker to send afterwards is sent with the worker's rights, to any queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app import contract
from app.contract import Role

#: AMQP's property with the name of the user who published.
USER_ID = "user_id"
_OURS = frozenset(Role)
#: The last three Celery copies into the options of a retry, which the worker publishes: a stamp named `queue` or
#: `headers` would say where it goes and what it says.
_ONLY_OURS = (contract.MESSAGE_SCOPE, contract.MESSAGE_JOB_ID, "headers", "stamps", "stamped_headers")
#: Of the body: what Celery sends when the task has ended.
_SENT_AFTERWARDS = ("callbacks", "errbacks", "chain", "chord")


def is_ours(properties: Mapping[str, Any]) -> bool:
    """Whether one of our own processes published this message."""
    return properties.get(USER_ID) in _OURS


def believed(headers: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """The headers, less what only our own processes may say."""
    if is_ours(properties):
        return dict(headers)
    return {name: value for name, value in headers.items() if name not in _ONLY_OURS}


def overreach(headers: Mapping[str, Any], embed: Mapping[str, Any], properties: Mapping[str, Any]) -> str | None:
    """What the message asks for that its sender may not, in a sentence; None when there is nothing."""
    if is_ours(properties):
        return None
    # Celery takes each for the other's.
    for name in _SENT_AFTERWARDS:
        if headers.get(name) or embed.get(name):
            return f"it carries `{name}`: only our own processes may say what a worker sends afterwards"
    return None
