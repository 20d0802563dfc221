"""Drops headers that a message's sender may not set. RabbitMQ vouches for the sender: it checks AMQP's `user_id`.

Other services publish to our queues (docs/producers.md). Only our own processes may name the scope of a key or a job:
a producer that named another API key's scope could occupy its keys, and that API key's items would count as duplicates.
Only they may name tasks to send afterwards: a worker sends those with its own rights, to any queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app import contract
from app.contract import Role

#: AMQP's property with the name of the user who published.
USER_ID = "user_id"
_OURS = frozenset(login for role in Role for login in contract.logins(role))
#: Of our own headers, those that anybody may set. The others name scopes and jobs, or tell a worker what to do.
_ANYBODYS = (contract.MESSAGE_KEY, contract.MESSAGE_CORRELATION_ID, contract.MESSAGE_PUBLISHED_AT)
#: Celery copies these into the options of a retry, which the worker publishes: a stamp named `queue` or `headers` would
#: set the retry's queue or headers.
_COPIED = ("headers", "stamps", "stamped_headers")
#: Members of the body that hold what Celery sends when the task has ended.
_SENT_AFTERWARDS = ("callbacks", "errbacks", "chain", "chord")


def is_ours(properties: Mapping[str, Any]) -> bool:
    """Whether one of our own processes published this message."""
    return properties.get(USER_ID) in _OURS


def believed(headers: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """The headers without those that this sender may not set."""
    if is_ours(properties):
        return dict(headers)
    return {name: value for name, value in headers.items() if name in _ANYBODYS or not _is_ours_to_set(name)}


def _is_ours_to_set(name: str) -> bool:
    return name.startswith(contract.MESSAGE_PREFIX) or name in _COPIED


def overreach(headers: Mapping[str, Any], embed: Mapping[str, Any], properties: Mapping[str, Any]) -> str | None:
    """A sentence about what the message asks for and its sender may not; None if it asks for nothing of the kind."""
    if is_ours(properties):
        return None
    if headers.get("task") == contract.TASK_WAIT_FOR_RELEASE:
        return f"it is for `{contract.TASK_WAIT_FOR_RELEASE}`, which only our own workers send"
    # Celery reads each of them from either place.
    for name in _SENT_AFTERWARDS:
        if headers.get(name) or embed.get(name):
            return f"it carries `{name}`: only our own processes may say what a worker sends afterwards"
    return None
