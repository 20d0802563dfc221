"""RabbitMQ's users: who may do what."""

from __future__ import annotations

import re

import pytest

from app.contract import Queue, Role
from infra.servers.rabbitmq import definitions, users, vhost

QUEUES = tuple(Queue(name=name, purpose="a test") for name in ("interactive", "bulk", "invoices"))
PASSWORDS = {role: {str(role): "secret-of-all"} for role in Role}
LIMITS = {Role.RELAY: 100, Role.WORKER: 1000}


def _may(role: Role, what: str, name: str) -> bool:
    # RabbitMQ searches and does not match whole names, so the patterns must be anchored.
    return re.search(getattr(users.permissions(QUEUES)[role], what), name) is not None


@pytest.mark.parametrize(
    ("role", "what", "name", "allowed"),
    [
        (Role.RELAY, "write", "tasks", True),
        (Role.RELAY, "write", "celery_delayed_27", True),
        (Role.RELAY, "write", "celery_delayed_3", False),
        (Role.RELAY, "write", "tasks.dead", False),
        (Role.RELAY, "read", "interactive", False),
        (Role.RELAY, "configure", "tasks", False),
        (Role.WORKER, "read", "interactive", True),
        (Role.WORKER, "read", "interactive.dead", False),
        (Role.WORKER, "read", "invoices", True),
        (Role.WORKER, "read", "external", False),
        (Role.WORKER, "write", "tasks", True),
        (Role.WORKER, "write", "tasks.dead", False),
        (Role.WORKER, "configure", "interactive", False),
        (Role.WORKER, "configure", "bulk@host.celery.pidbox.1a2b", True),
        (Role.WORKER, "write", "reply.celery.pidbox", True),
        (Role.WORKER, "write", "celeryev", True),
        (Role.ARCHIVER, "read", "bulk.dead", True),
        (Role.ARCHIVER, "read", "bulk", False),
        (Role.ARCHIVER, "read", "invoices.dead", True),
        (Role.ARCHIVER, "write", "tasks", False),
        (Role.FLOWER, "read", "interactive", False),
        (Role.FLOWER, "write", "tasks", False),
        (Role.BEAT, "write", "tasks", False),
        (Role.BEAT, "write", "celery_delayed_27", False),
        (Role.BEAT, "configure", "tasks", False),
        (Role.BEAT, "read", "interactive", False),
        (Role.TOPOLOGY, "configure", "celery_delayed_27", True),
        (Role.TOPOLOGY, "configure", "other", False),
        (Role.TOPOLOGY, "configure", "invoices", True),
        (Role.BEAT, "write", "invoices", True),
    ],
)
def test_permissions(role: Role, what: str, name: str, allowed: bool) -> None:
    """Each role may do its work and nothing else."""
    assert _may(role, what, name) is allowed


def test_definitions_hold_no_password() -> None:
    """Hashes only, and no guest."""
    text = definitions.users_file(PASSWORDS, QUEUES, LIMITS)

    assert "secret-of-all" not in text
    assert "guest" not in text


def test_everybody_has_a_password() -> None:
    """RabbitMQ would make a user whom anybody can be."""
    with pytest.raises(users.NoPasswordError, match="beat, keda"):
        users.user_definitions({**PASSWORDS, Role.KEDA: {"keda": ""}, Role.BEAT: {}}, QUEUES, LIMITS)


def test_who_only_asks_over_http_has_no_part_in_the_vhost() -> None:
    """Prometheus and KEDA may look at counts, and not so much as open a connection for messages."""
    made = {user["name"]: user for user in users.user_definitions(PASSWORDS, QUEUES, LIMITS)["users"]}

    assert {name for name in made if made[name]["tags"]} == {"topology", "prometheus", "keda", "operator"}
    for role in (Role.PROMETHEUS, Role.KEDA):
        assert made[role]["limits"] == {"max-connections": 0}
        assert users.permissions(QUEUES)[role] == users.Permissions()


def test_who_logs_in_has_a_limit_of_connections() -> None:
    """A leak stops its role and no other, so each has one, below the vhost's."""
    most = {**users.MAX_CONNECTIONS, **LIMITS}
    assert most.keys() == users.permissions(QUEUES).keys()
    assert sum(most.values()) < vhost.CONNECTIONS
