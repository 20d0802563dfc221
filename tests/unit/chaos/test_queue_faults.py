"""A queue purged or deleted: the reconciler is the way back, and what the queue held is the evidence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chaos import operator, queue_faults
from chaos.components import Member
from chaos.steps import Step
from tests.unit.chaos.test_components import member
from tests.unit.chaos.test_plans import NODE, plan


@pytest.fixture(autouse=True)
def queues(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What waits in each queue; a test changes it."""
    held = {"interactive": 40}

    def perform(step: Step) -> str:
        assert "list_queues" in step.command
        return json.dumps([{"name": name, "messages_ready": count} for name, count in held.items()])

    def operate(like: Member, *words: str) -> Step:
        return Step(command=("operate", "like", like.service, *words))

    monkeypatch.setattr(queue_faults, "perform", perform)
    monkeypatch.setattr(queue_faults, "operate", operate)
    return held


def test_what_was_purged_is_put_back(queues: dict[str, int]) -> None:
    """It shows although the queue is soon as long as before."""
    made = plan("purge", NODE, name="interactive")

    assert made.inject[0].command[-4:] == ("purge_queue", "-p", "millrace", "interactive")
    assert [str(step) for step in made.undo] == [
        "operate like relay-1 reconcile --older-than-seconds 7 --busy-older-than-hours 0.00194"
    ]
    assert made.lacks() == "queue interactive has lost none of its 40 messages"
    queues["interactive"] = 3
    assert made.lacks() == ""
    queues["interactive"] = 50
    assert made.lacks() == ""


def test_an_empty_queue_shows_nothing(queues: dict[str, int]) -> None:
    """Nobody lost anything."""
    queues["interactive"] = 0
    assert plan("purge", NODE, name="interactive").lacks() == "queue interactive has lost none of its 0 messages"


def test_a_deleted_queue_is_declared_before_its_messages_are_put_back(queues: dict[str, int]) -> None:
    """By the topology, which ended long ago."""
    made = plan("delete_queue", NODE, name="interactive")

    assert [step.command[:3] for step in made.undo] == [("docker", "start", "--attach"), ("operate", "like", "relay-1")]
    assert made.undo[0].command[-1] == "id-topology"
    assert made.lacks() == "queue interactive is there"
    del queues["interactive"]
    assert made.lacks() == ""


def test_the_operator_is_like_a_process_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Same image, network and settings, other secrets; none of them stands in the command."""
    attributes = {
        "NetworkSettings": {"Networks": {"millrace_default": {}}},
        "Config": {"Image": "app:1", "Env": ["PATH=/bin", "MILLRACE_ENVIRONMENT=local"]},
        "Mounts": [
            {"Type": "bind", "Source": "/s/secrets/relay", "Destination": "/run/secrets/millrace"},
            {"Type": "bind", "Source": "/s/config/app", "Destination": "/etc/millrace"},
            {"Type": "volume", "Source": "/v", "Destination": "/var/spool"},
        ],
    }

    class Client:
        containers: Any = type("Found", (), {"get": staticmethod(lambda _: type("One", (), {"attrs": attributes}))})

        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr(operator.docker, "from_env", Client)
    made = str(operator.operate(member("relay-1"), "reconcile", "--dry-run"))

    assert made == (
        "docker run --rm --network millrace_default --read-only --tmpfs /tmp --cap-drop ALL"
        " --env MILLRACE_ENVIRONMENT=local"
        " --volume /s/secrets/operator:/run/secrets/millrace:ro --volume /s/config/app:/etc/millrace:ro"
        " app:1 reconcile --dry-run"
    )
