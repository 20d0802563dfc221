"""RabbitMQ's vhost and its policies."""

from __future__ import annotations

import json
import re
from typing import Any

from app import contract
from app.contract import Queue
from infra.servers.rabbitmq import definitions, vhost

QUEUES = (
    Queue(name="interactive", purpose="a test"),
    Queue(name="invoices", purpose="a test", delivery_limit=7, max_length_bytes=1000),
)


def _policy(queue: str) -> dict[str, Any]:
    """The one policy that applies: RabbitMQ searches and does not match whole names."""
    (policy,) = [p for p in vhost.vhost_definitions(QUEUES)["policies"] if re.search(p["pattern"], queue)]
    return dict(policy["definition"])


def test_each_work_queue_has_one_policy_with_an_explicit_dead_letter_route() -> None:
    """Only one policy applies to a queue, and at-least-once needs reject-publish."""
    for queue in QUEUES:
        policy = _policy(queue.name)

        assert policy["dead-letter-routing-key"] == f"{queue.name}.dead"
        assert policy["dead-letter-strategy"] == "at-least-once"
        assert policy["overflow"] == "reject-publish"
        assert (policy["delivery-limit"], policy["max-length-bytes"]) == (queue.delivery_limit, queue.max_length_bytes)


def test_dead_letters_are_not_destroyed_by_looking_at_them() -> None:
    """The default limit drops a message after 20 returns."""
    for queue in QUEUES:
        assert _policy(contract.dead_letter_queue(queue.name)) == {"delivery-limit": -1}


def test_consumer_timeout_of_the_policies_is_the_clusters() -> None:
    """A policy overrides rabbitmq.conf: a longer time there alone would change nothing."""
    policies = json.loads(definitions.vhost_file(QUEUES, 60))["policies"]

    assert {p["definition"]["consumer-timeout"] for p in policies if "consumer-timeout" in p["definition"]} == {60_000}


def test_vhost_comes_before_its_permissions() -> None:
    """Files are imported in the order of their names."""
    assert definitions.VHOST_FILE < definitions.USERS_FILE
    assert "users" not in json.loads(definitions.vhost_file(QUEUES))


def test_what_is_declared_without_a_type_is_a_quorum_queue() -> None:
    """A classic queue lives on one node."""
    (entry,) = vhost.vhost_definitions(QUEUES)["vhosts"]

    assert entry["default_queue_type"] == entry["metadata"]["default_queue_type"] == "quorum"
