"""A load knows how fast it may be, and ends when it is told to: with Locust, a gateway and everything behind it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from junitparser import JUnitXml
from rich.console import Console

from app import contract
from app.contract import Role
from loadtests.console import Display
from loadtests.demo import run_demo
from loadtests.errors import TooSlowError
from loadtests.ledger import read_ledger
from loadtests.options import Options
from loadtests.target import Target
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

RATE, SHARE = 200.0, 0.6
#: Nobody would wait for its end.
SECONDS = 1800.0


def target(stack: Stack, folder: Path) -> Target:
    """The stack, as the harness reaches one."""
    (folder / "key").write_text(stack.api_key)
    management = [stack.port(node, contract.PORT_RABBITMQ_MANAGEMENT) for node in stack.nodes]
    return Target(
        name="local",
        gateway_url=stack.gateway_url,
        ca_file=stack.ca_file,
        internal_ca_file=stack.ca_file,
        api_key_file=folder / "key",
        postgresql_host="127.0.0.1",
        postgresql_port=stack.port("postgresql", contract.PORT_POSTGRESQL),
        postgresql_password=stack.password(Role.AUDITOR, "postgresql"),
        management_urls=tuple(f"https://127.0.0.1:{port}" for port in management),
        management_password=stack.password(Role.OPERATOR, "rabbitmq"),
        credentials="",
        closing_note="",
    )


def test_a_load_ends_when_it_is_told_and_its_account_is_exact(single: Stack, tmp_path: Path) -> None:
    """Every request that is in the ledger has its outcome, although the load was cut short; the rate is a share.

    Given a load of half an hour at a share of what the stack sustains,
    when its file appears,
    then it ends in order, and everything that was accepted is executed once.
    """
    end = tmp_path / "end"
    options = Options(out=tmp_path, seconds=SECONDS, rate=RATE, singles=10.0, fault=False, until=end, share=SHARE)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_demo, options, target(single, tmp_path), Display(Console(quiet=True)))

        def answered() -> bool:
            return running.done() or any(file.stat().st_size > 5_000 for file in tmp_path.glob("*/ledger/outcomes*"))

        eventually(answered, what="requests are answered")
        end.touch()
        content = running.result()

    assert not [reason for reason in content["reasons"] if reason.startswith("generator finished")]
    assert content["load_ended_at"] - content["started_at"] < SECONDS / 2
    assert content["accepted"] == content["executed"] > 0
    assert (content["lost"], content["duplicated_effects"], content["unexpected_effects"]) == (0, 0, 0)
    attempts = read_ledger(tmp_path / content["run"] / "ledger").attempts
    assert not [attempt for attempt in attempts if attempt.result.error == "no outcome was written"]
    cases = {case.name for suite in JUnitXml.fromfile(str(tmp_path / content["run"] / "junit.xml")) for case in suite}
    assert {"nothing lost", "requests accepted"} <= cases
    said = content["options"]
    wanted = min(RATE, SHARE * said["sustained_events_per_second"])
    assert said["events_per_second"] == pytest.approx(wanted, rel=0.01)


def test_a_machine_that_is_too_slow_says_so_before_anything_is_broken(single: Stack, tmp_path: Path) -> None:
    """Here it is the share that is too small; no load begins, and no drill."""
    options = Options(out=tmp_path, rate=RATE, share=0.01)
    with pytest.raises(TooSlowError, match=r"sustains \d+ events/s; a verdict needs at least 5000"):
        run_demo(options, target(single, tmp_path), Display(Console(quiet=True)))
    assert not list(tmp_path.glob("*/ledger"))
    assert not list(tmp_path.glob("*/fault.jsonl"))
