"""Drills on a stack of one broker: Chaos Toolkit and our own commands as processes, as people run them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from app import contract
from chaos.components import PROJECT_LABEL
from chaos.injections import release
from chaos.network_faults import IMAGE_VARIABLE
from tests.harness import images
from tests.harness.stack import Stack

pytest_plugins = ["tests.harness.stacks"]

REPOSITORY = Path(__file__).parents[3]
EXPERIMENTS = REPOSITORY / "chaos" / "experiments"
Start = Callable[..., subprocess.Popen[str]]
#: Fast enough for a drill's least in half a minute.
RATE = ("--rate", "250")


def held_for(file: Path, seconds: float, folder: Path, *, deadline_seconds: float | None = None) -> Path:
    """The same experiment with its fault held for another time."""
    document = yaml.safe_load(file.read_text())
    document["method"][-2]["provider"]["arguments"]["seconds"] = seconds
    if deadline_seconds is not None:
        document["method"][0]["provider"]["arguments"]["deadline_seconds"] = deadline_seconds
    made = folder / file.name
    made.write_text(yaml.safe_dump(document))
    return made


@pytest.fixture
def way(single: Stack) -> Mapping[str, str]:
    """The variables by which drills and loads find the stack."""
    key = single.state.secrets / "client" / "api_key"
    key.write_text(single.api_key)
    management = [f"https://localhost:{single.port(node, contract.PORT_RABBITMQ_MANAGEMENT)}" for node in single.nodes]
    return {
        "MILLRACE_PROJECT": single.machines["gateway"].docker.labels[PROJECT_LABEL],
        "MILLRACE_STATE_DIR": str(single.state.root),
        "MILLRACE_PORT_GATEWAY": str(single.port("gateway", contract.PORT_GATEWAY)),
        "MILLRACE_PORT_POSTGRESQL": str(single.port("postgresql", contract.PORT_POSTGRESQL)),
        contract.MANAGEMENT_URLS_VARIABLE: " ".join(management),
        IMAGE_VARIABLE: images.reference("NETFAULT"),
    }


@pytest.fixture
def start(way: Mapping[str, str]) -> Iterator[Start]:
    """Start a program of the environment in the checkout; whatever still runs at the end is ended."""
    begun: list[subprocess.Popen[str]] = []

    def run(program: str, *words: str, cwd: Path = REPOSITORY) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name(program)), *words],
            cwd=cwd, env=os.environ | way | {"PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        begun.append(process)
        return process

    yield run
    for process in begun:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)


@pytest.fixture
def here(way: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run drills in this process, so that a test can plant a bug in it."""
    for name, value in way.items():
        monkeypatch.setenv(name, value)
    release()
    yield
    release()
