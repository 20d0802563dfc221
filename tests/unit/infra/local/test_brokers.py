"""Which broker `make up` starts, and what its processes are told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from app.contract import DEFAULT_QUEUES_FILE, read_queues
from infra.local import brokers, stack
from infra.local.brokers import EMULATED_SQS, RABBITMQ, REDIS_BY_ITSELF, LocalBroker, UnknownBrokerError
from infra.local.compose import Compose
from infra.local.state import State
from infra.local.urls import urls

QUEUES = read_queues(DEFAULT_QUEUES_FILE)
PROCESSES = (*stack.ONE_SHOT, *stack.processes(QUEUES))


@pytest.fixture
def state(tmp_path: Path) -> State:
    """Of a new checkout."""
    return State(tmp_path)


def test_rabbitmqs_stack_has_no_third_file(state: State) -> None:
    """It stays what compose.yaml says."""
    brokers.write(state, RABBITMQ, QUEUES, PROCESSES)

    assert not state.broker.exists()
    assert str(state.broker) not in Compose(state).command("up")
    assert brokers.kept(state) is RABBITMQ


@pytest.mark.parametrize(("broker", "server"), [(EMULATED_SQS, "sqs"), (REDIS_BY_ITSELF, "redis-broker")])
def test_every_process_is_told_of_another_broker(state: State, broker: LocalBroker, server: str) -> None:
    """One that is not would look for RabbitMQ."""
    brokers.write(state, broker, QUEUES, PROCESSES)

    services: dict[str, Any] = yaml.safe_load(state.broker.read_text())["services"]
    assert str(state.broker) in Compose(state).command("up")
    assert services.keys() == {server, *PROCESSES}
    told = {service["environment"]["MILLRACE_BROKER"] for name, service in services.items() if name != server}
    assert told == {broker.name}
    assert brokers.kept(state) is broker


def test_nobody_is_sent_to_a_page_that_is_not_there(state: State) -> None:
    """SQS has neither a page of its own nor Flower's."""
    brokers.write(state, EMULATED_SQS, QUEUES, PROCESSES)

    assert not {"RabbitMQ", "Flower"} & {url.name for url in urls(state, "https://localhost")}


def test_another_broker_is_refused_in_words() -> None:
    """Those there are, are named."""
    with pytest.raises(UnknownBrokerError, match=r"'kafka'.* rabbitmq, sqs, redis"):
        brokers.find("kafka")


@pytest.mark.parametrize("broker", [EMULATED_SQS, REDIS_BY_ITSELF])
def test_another_broker_is_confined(broker: LocalBroker) -> None:
    """As every container is (test_compose.py)."""
    service = broker.service or {}

    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
