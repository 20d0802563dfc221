"""Programs that are not ours, as RabbitMQ's users."""

from __future__ import annotations

import re

import pytest
from kombu.transport.native_delayed_delivery import calculate_routing_key

from app.contract import Queue, Role
from infra.servers.rabbitmq import users, vhost
from infra.servers.rabbitmq.outsiders import Outsider, producers, routing_keys

QUEUES = (
    Queue(name="interactive", purpose="a test", producers=("billing", "reports")),
    Queue(name="bulk", purpose="a test", producers=("reports",)),
    Queue(name="external", purpose="a test"),
)
PASSWORDS = {role: {str(role): "secret-of-all"} for role in Role}
LIMITS = {Role.RELAY: 100, Role.WORKER: 1000}


def test_a_producer_is_one_user_with_all_queues_that_name_it() -> None:
    """A producer is one user, however many queues name it."""
    assert producers(QUEUES) == (
        Outsider(user="producer-billing", publishes=("interactive",)),
        Outsider(user="producer-reports", publishes=("interactive", "bulk")),
    )


@pytest.mark.parametrize(
    ("exchange", "key", "allowed"),
    [
        ("tasks", "interactive", True),
        ("tasks", "bulk", False),
        ("tasks", "interactive.bulk", False),
        ("tasks", "interactive.dead", False),
        ("tasks", calculate_routing_key(1, "interactive"), False),
        ("celery_delayed_27", calculate_routing_key(1, "interactive"), True),
        ("celery_delayed_27", calculate_routing_key(2**28 - 1, "interactive"), True),
        ("celery_delayed_27", calculate_routing_key(5, "bulk"), False),
        ("celery_delayed_27", calculate_routing_key(5, "interactive.bulk"), False),
        ("celery_delayed_27", "interactive", False),
    ],
)
def test_a_producer_uses_the_routing_keys_of_its_queues(exchange: str, key: str, *, allowed: bool) -> None:
    """Celery's own key for a delay is among them. RabbitMQ searches, so each pattern is anchored."""
    billing = producers(QUEUES)[0]

    assert (re.search(routing_keys(billing)[exchange], key) is not None) is allowed


def test_each_exchange_that_an_outsider_may_use_names_its_keys() -> None:
    """Each outsider has a pattern for every exchange it may write to, and the definitions declare those exchanges."""
    made = users.user_definitions(PASSWORDS, QUEUES, LIMITS, {one: {one.user: "x"} for one in producers(QUEUES)})
    exchanges = {one["name"] for one in vhost.vhost_definitions(QUEUES)["exchanges"]}

    for outsider in producers(QUEUES):
        told = {one["exchange"] for one in made["topic_permissions"] if one["user"] == outsider.user}
        [permission] = [one for one in made["permissions"] if one["user"] == outsider.user]
        assert {
            name for name in (*exchanges, "amq.default", "tasks.dead") if re.search(permission["write"], name)
        } == told
        assert told == exchanges
        assert (permission["read"], permission["configure"]) == (users.NOTHING, users.NOTHING)


def test_an_outsider_has_a_password_a_limit_and_no_tag() -> None:
    """No tag: the management API does not know it."""
    first = producers(QUEUES)[0]
    made = users.user_definitions(PASSWORDS, QUEUES, LIMITS, {first: {first.user: "x"}})
    [user] = [one for one in made["users"] if one["name"] == "producer-billing"]

    assert (user["tags"], user["limits"]) == ([], {"max-connections": 100})
    with pytest.raises(users.NoPasswordError, match="producer-billing"):
        users.user_definitions(PASSWORDS, QUEUES, LIMITS, {first: {}})
