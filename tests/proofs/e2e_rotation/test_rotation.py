"""Passwords of gateway and workers are rotated by `pulumi up` under load: to their second logins, and back (I10).

No request fails, and everything is executed once. The deployment that adds a credential rolls servers and clients, the
one that changes which is used rolls clients only, and the one that ends a credential rolls servers only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from app import contract
from app.contract import Role
from infra import naming
from infra.settings.stack import Stack
from loadtests.kubernetes_target import kubernetes_target, read_settings
from tests.harness.kubernetes.campaign import Campaign, Evidence, Load
from tests.harness.kubernetes.deployment import Deployer, Settings
from tests.harness.kubernetes.kubectl import Kubectl
from tests.harness.kubernetes.target import REPOSITORY
from tests.harness.waiting import eventually

ROTATED = (Role.GATEWAY, Role.WORKER)
#: To the second logins, back to the first, and the second ones are refused: what the stack's file says.
UPS = ((2, 1), (1, 2), (1,))
#: They read their lists of users when they start. PostgreSQL reads its own while it runs.
SERVERS = {naming.RABBITMQ, naming.REDIS, naming.PGBOUNCER, naming.OBJECT_STORE}


@dataclass(frozen=True)
class Step:
    """What one deployment did: whose pods are all new, and who has sessions with PostgreSQL when it has ended."""

    generations: Sequence[int]
    rolled: set[str]
    logins: set[str]


@dataclass(frozen=True)
class Rotation:
    """All of it."""

    campaign: Campaign
    steps: tuple[Step, ...]


@pytest.fixture(scope="module")
def rotation(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]) -> Rotation:
    """The deployments, one after the other, under one load."""
    file = REPOSITORY / os.environ["MILLRACE_STACK_FILE"]
    deployer = Deployer(kubectl, file, tmp_path_factory.mktemp("stack"))
    with kubernetes_target(read_settings()):
        load = Load(tmp_path_factory.mktemp("rotation"))
        try:
            load.wait_for_start()
            done = [_step(deployer, kubectl, generations) for generations in UPS]
            campaign = load.finish(evidence for evidence, _ in done)
        except BaseException:
            # Clients may use either login, so the stack's own [1] would be refused (ADR 0053).
            deployer.up(_rotated((1, 2)))
            raise
        finally:
            load.stop()
            deployer.up()
    for line in campaign.summary():
        say(line)
    return Rotation(campaign, tuple(step for _, step in done))


def _rotated(generations: Sequence[int]) -> Callable[[Settings], None]:
    def change(settings: Settings) -> None:
        settings["millrace:rotation"] = {str(role): list(generations) for role in ROTATED}

    return change


def _step(deployer: Deployer, kubectl: Kubectl, generations: Sequence[int]) -> tuple[Evidence, Step]:
    before, began = deployer.pods(), time.time()
    deployer.up(_rotated(generations))
    eventually(deployer.has_rolled_out, what="no StatefulSet is rolling any more", within=300)
    ended = time.time()
    after = deployer.pods()
    rolled = {name for name, pods in before.items() if pods and not pods & after.get(name, set())}
    said = {"injected_at": began, "confirmed_at": ended, "recovered_at": ended}
    return Evidence(f"rotation {list(generations)}", 0, said), Step(generations, rolled, _logins(kubectl))


def _logins(kubectl: Kubectl) -> set[str]:
    words = ("psql", "-h", "/run/postgresql", "-d", contract.POSTGRESQL_DATABASE, "-Atc")
    statement = "SELECT DISTINCT usename FROM pg_stat_activity WHERE usename IS NOT NULL"
    code, said = kubectl.execute(naming.NAMESPACE_DATA, f"{naming.POSTGRESQL}-0", naming.POSTGRESQL, *words, statement)
    assert code == 0, said
    return {login for login in said.split() if contract.user_of(login) in ROTATED}


def test_no_request_fails(rotation: Rotation) -> None:
    """In none of the three deployments."""
    rotation.campaign.assert_load_in_every_window()
    rotation.campaign.assert_refused_only_in(())


def test_nothing_is_lost_and_nothing_happens_twice(rotation: Rotation) -> None:
    """The ledger against the database, event by event and sum by sum."""
    rotation.campaign.assert_exact()


def test_what_rolled_is_what_had_to(rotation: Rotation, stack: Stack) -> None:
    """Clients when they get other credentials, servers when they accept others; nobody else ever."""
    clients = {naming.GATEWAY, *(naming.worker(pool.name) for pool in stack.workloads.pools)}
    assert [step.rolled for step in rotation.steps] == [SERVERS | clients, clients, SERVERS]


def test_the_logins_take_turns(rotation: Rotation) -> None:
    """All use the one that comes first, and when a rotation has ended nobody has a session by the other."""
    for step in rotation.steps:
        used = {contract.login(role, step.generations[0]) for role in ROTATED}
        assert used <= step.logins
        assert step.logins == used or len(step.generations) == 2
