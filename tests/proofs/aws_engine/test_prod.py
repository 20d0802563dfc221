"""Prod of infra/aws on the real engine: what holds data is not deleted, nor replaced, by an edit or by `destroy`."""

from __future__ import annotations

import pytest

from infra.aws.rules.data import STATEFUL
from infra.lab.staging.run import EngineError
from tests.proofs.aws_engine import inventory
from tests.proofs.aws_engine.account import Account, edited
from tests.proofs.aws_engine.changes import PROD, refused

pytestmark = pytest.mark.timeout(900)

#: Where the inventory has what holds data.
DATA = (
    "ecr describe_repositories",
    "eks list_clusters",
    "elasticache describe_replication_groups",
    "kms key",
    "mq list_brokers",
    "rds describe_db_instances",
    "s3 list_buckets",
)


def unprotected(prod: Account) -> list[str]:
    """What holds data and may be deleted."""
    return sorted(f"{kind} {name}" for (kind, name), kept in prod.protected().items() if kind in STATEFUL and not kept)


def test_a_second_preview_is_empty(prod: Account) -> None:
    """With Amazon MQ as its broker, too."""
    again = prod.engine.preview()
    assert not again.changed, [step for step in again.steps if step.operation != "same"]


def test_one_kind_is_in_the_state_alone(prod: Account) -> None:
    """The server has no configurations of Amazon MQ; docs/aws.md says so."""
    states = prod.engine.state()["resources"]
    assert {one["type"] for one in states if one.get("outputs", {}).get("__onlyInState")} == {
        "aws:mq/configuration:Configuration"
    }


def test_a_change_of_the_broker_says_what_it_does(prod: Account) -> None:
    """Amazon MQ changes in place what its source does not call a replacement."""
    assert refused(prod.engine, PROD) == []


def test_what_holds_data_is_protected(prod: Account) -> None:
    """Each of them, in the state, which is what the engine goes by."""
    assert unprotected(prod) == []
    assert {kind for kind, _ in prod.protected()} >= STATEFUL.keys() - {"aws:sqs/queue:Queue"}


def test_destroy_is_refused(prod: Account) -> None:
    """In its preview, so that nothing is gone."""
    with pytest.raises(EngineError, match="protect"):
        prod.engine.preview_destroy()


def test_a_replacement_is_refused(prod: Account) -> None:
    """The edit would make an empty database in its place."""
    unencrypted = edited({"aws:rds/instance:Instance": {"storage_encrypted": False}})
    with pytest.raises(EngineError, match=r'unable to replace resource "\S*aws:rds/instance:Instance'):
        prod.engine.running(unencrypted).preview()


def test_a_destroy_without_a_preview_leaves_what_holds_data(prod: Account) -> None:
    """It takes the rest, which the next test brings back."""
    before = _data(prod)
    with pytest.raises(EngineError, match="protect"):
        prod.engine.destroy()
    assert len(before) > len(DATA)
    assert _data(prod) == before


def test_a_database_without_protection_is_seen(prod: Account) -> None:
    """Planted: the database alone is not protected. The check of the state names it, and what was gone is back."""
    prod.engine.running(edited({}, unprotected="aws:rds/instance:Instance")).up()
    assert unprotected(prod) == ["aws:rds/instance:Instance millrace-prod"]


def _data(prod: Account) -> set[str]:
    return {one for one in inventory.of(prod.server) if one.startswith(DATA)}
