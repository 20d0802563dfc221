"""A fault of a network is a container beside the one that suffers; what it met is the evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chaos import network_faults
from chaos.network_faults import IMAGE_VARIABLE
from tests.unit.chaos.test_plans import WORKER, plan

INSIDE = (
    "--network container:id-worker-bulk --cap-drop ALL --cap-add NET_ADMIN --security-opt no-new-privileges:true "
    "--read-only mine:1"
)
HOSTS = "rabbitmq-1,rabbitmq-2"


@pytest.fixture(autouse=True)
def image(monkeypatch: pytest.MonkeyPatch) -> None:
    """As tests name it."""
    monkeypatch.setenv(IMAGE_VARIABLE, "mine:1")


@pytest.mark.parametrize(
    ("verb", "options", "words"),
    [
        ("delay", {"milliseconds": 200}, f"delay {HOSTS} 200"),
        ("lose", {"share": 0.05}, f"lose {HOSTS} 0.05"),
        ("cut", {"direction": "out"}, f"cut {HOSTS} out"),
        ("half_open", {}, f"half_open {HOSTS}"),
    ],
)
def test_it_is_made_in_the_network_of_the_one_that_suffers(verb: str, options: dict[str, Any], words: str) -> None:
    """And taken back there, whether the container that made it lives or not."""
    made = plan(verb, WORKER, to="rabbitmq", **options)

    assert [str(step) for step in made.inject] == [f"docker run --detach --name id-worker-bulk-drill {INSIDE} {words}"]
    assert [str(step) for step in made.undo] == [
        "docker rm --force id-worker-bulk-drill", f"docker run --rm {INSIDE} clear",
    ]  # fmt: skip


def test_names_are_not_found() -> None:
    """Docker's name server has the same address in every network."""
    made = plan("cut", WORKER, to="dns", direction="out")
    assert made.inject[0].command[-3:] == ("cut", "127.0.0.11", "out")


@pytest.mark.parametrize(
    ("said", "lacks"),
    [
        ("12 201.5", ""),
        ("12 3.25", "a round trip takes 3.25 ms"),
        ("0 0", "no packet between worker-bulk and rabbitmq met the fault"),
    ],
)
def test_a_way_is_long_when_tcp_says_so(monkeypatch: pytest.MonkeyPatch, said: str, lacks: str) -> None:
    """Not when a command that should have made it longer succeeded."""
    monkeypatch.setattr(network_faults, "perform", lambda _: said)
    assert plan("delay", WORKER, to="rabbitmq", milliseconds=200).lacks() == lacks


def test_a_container_that_was_started_again_has_a_whole_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its new network has no rules, and nothing was shown."""
    monkeypatch.setattr(network_faults, "perform", lambda _: "12 0")
    assert plan("half_open", WORKER, to="rabbitmq").lacks() == ""
    again = replace(WORKER, started_at="second")
    assert "was started again" in plan("half_open", WORKER, again, to="rabbitmq").lacks()
