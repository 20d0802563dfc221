"""Staging of infra/aws on the real engine: it comes up, looks the same, and is gone again.

A run takes seconds, so that the tests share a stack, in this order; the last one destroys it.
"""

from __future__ import annotations

import uuid
from dataclasses import fields
from pathlib import Path

import pulumi
import pytest

from infra.aws.outputs import Outputs
from infra.aws.recorder import PROJECT, record_stack
from infra.lab.staging.run import Run
from tests.harness import leaks
from tests.proofs.aws_engine import inventory
from tests.proofs.aws_engine.account import Account, Arguments, Result, edited, transformed
from tests.proofs.aws_engine.changes import STAGING, applied, refused
from tests.proofs.engine.harness.engine import Engine

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def again(staging: Account) -> Run:
    """What a second update would do."""
    return staging.engine.preview()


def test_a_second_preview_is_empty(again: Run) -> None:
    """What the server says of each resource is what the program says."""
    assert not again.changed, [step for step in again.steps if step.operation != "same"]
    assert {step.urn.rpartition("::")[2] for step in again.steps} >= {one.name for one in record_stack("staging")}


def test_what_never_settles_is_seen(staging: Account) -> None:
    """Planted: a queue's policy that is another one at each run."""

    def unsettled(given: Arguments) -> Result | None:
        if given.type_ != "aws:sqs/queuePolicy:QueuePolicy":
            return None
        sid = f"Tls{uuid.uuid4().hex}"
        policy = given.props["policy"]
        assert isinstance(policy, pulumi.Output)
        return Result({**given.props, "policy": policy.apply(lambda text: text.replace("TlsOnly", sid))}, given.opts)

    seen = staging.engine.running(transformed(unsettled)).preview()
    assert {step.type for step in seen.of("update")} == {"aws:sqs/queuePolicy:QueuePolicy"}


def test_no_password_is_in_clear(staging: Account, again: Run) -> None:
    """Neither in the state and its history, nor in what the engine prints."""
    known = leaks.passwords(staging.engine.state_in_clear())
    assert known >= {*staging.engine.outputs()["cache_passwords"].values()} != set()
    assert leaks.in_files(staging.engine.backend, known) == []
    assert not [password for password in known if password in again.output]


def test_everything_has_its_tags(staging: Account) -> None:
    """The provider's own tags reach what it makes: costs and the budget are found by them."""
    url = next(iter(staging.engine.outputs()["queue_urls"].values()))
    tags = staging.server.client("sqs").list_queue_tags(QueueUrl=url)["Tags"]
    assert {"Project", "Environment", "Owner", "CostCenter", "ManagedBy"} <= tags.keys()


def test_all_of_it_is_on_the_server(staging: Account) -> None:
    """The server lacks nothing that staging has: no resource is in the state alone."""
    states = staging.engine.state()["resources"]
    assert [one["urn"] for one in states if one.get("outputs", {}).get("__onlyInState")] == []
    assert len(inventory.of(staging.server) - staging.before) > 100


def test_a_change_of_what_keeps_state_says_what_it_does(staging: Account) -> None:
    """Replaced or updated, for each property, as the source of the provider says."""
    assert refused(staging.engine, STAGING) == []


def test_another_program_reads_its_outputs(staging: Account, tmp_path: Path) -> None:
    """By a StackReference, as the program on top will; passwords are secret in its state, too."""
    (tmp_path / "backend").symlink_to(staging.engine.backend)

    def reads() -> None:
        below = pulumi.StackReference(f"organization/{PROJECT}/staging")
        for one in fields(Outputs):
            pulumi.export(one.name, below.get_output(one.name))

    above = Engine(folder=tmp_path, stack="above", program=reads)
    above.up()
    assert above.outputs() == staging.engine.outputs()
    assert {"database_host", "cache_host", "queue_urls", "uploads_bucket"} <= above.outputs().keys()
    assert leaks.in_files(staging.engine.backend, leaks.passwords(staging.engine.state_in_clear())) == []


def test_refresh_finds_what_somebody_changed(staging: Account) -> None:
    """A queue's visibility, set by hand: the next update sets it back."""
    url = staging.engine.outputs()["queue_urls"]["bulk"]
    client = staging.server.client("sqs")
    asked = {"QueueUrl": url, "AttributeNames": ["VisibilityTimeout"]}
    before = client.get_queue_attributes(**asked)["Attributes"]
    client.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "7"})
    staging.engine.refresh()
    seen = staging.engine.up()
    assert ("aws:sqs/queue:Queue", ("visibilityTimeoutSeconds",)) in {
        (step.type, step.fields) for step in seen.of("update")
    }
    assert client.get_queue_attributes(**asked)["Attributes"] == before


def test_changes_in_place_settle(staging: Account) -> None:
    """The server takes them, and says them back."""
    changed = staging.engine.running(edited(applied(STAGING)))
    assert {step.type for step in changed.up().of("update")} >= applied(STAGING).keys()
    again = changed.preview()
    assert not again.changed, [step for step in again.steps if step.operation != "same"]


def test_destroy_leaves_nothing(staging: Account) -> None:
    """But the final snapshots, which the stack asks for, and keys that wait for their deletion."""
    staging.engine.destroy()
    assert inventory.of(staging.server) == staging.before
    assert not staging.engine.state_in_clear().get("resources")
