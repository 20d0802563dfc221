"""The example of components in a program of somebody else's, on Pulumi's mocks. tests/proofs/engine deploys it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime import mocks

from infra import naming
from infra.components.scalers import pool_scaler
from infra.render.program import REPOSITORY
from infra.render.recorder import Registered, run
from infra.settings.scaling import KedaQueue
from infra.settings.workloads import Pool

EXAMPLE = REPOSITORY / "examples" / "celery" / "__main__.py"


class _Answers(mocks.Mocks):
    """A password is its name."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        return args.name, {**args.inputs, "result": f"word-of-{args.name}"}

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise LookupError(args.token)


def _run(program: Path) -> tuple[Registered, ...]:
    return run(program, "shop", {"shop:registry": "registry.example.com/shop"}, "test", _Answers())


@pytest.fixture(scope="module")
def registered() -> tuple[Registered, ...]:
    """Everything that it makes."""
    return _run(EXAMPLE)


def _bodies(registered: tuple[Registered, ...]) -> list[Mapping[str, Any]]:
    return [one.inputs for one in registered if "metadata" in one.inputs]


def _one(registered: tuple[Registered, ...], kind: str, name: str) -> Mapping[str, Any]:
    [found] = [body for body in _bodies(registered) if (body["kind"], body["metadata"]["name"]) == (kind, name)]
    return found


def test_it_is_short() -> None:
    """With more than 40 lines, importing components would not be worth it."""
    assert len(EXAMPLE.read_text().splitlines()) <= 40


def test_all_of_it_is_where_the_program_says(registered: tuple[Registered, ...]) -> None:
    """Nothing is in a namespace of Millrace's, nor looks for something there."""
    assert {body["metadata"]["namespace"] for body in _bodies(registered)} == {"shop"}
    assert not [name for name in naming.NAMESPACES if f"{name}.svc" in repr(registered)]
    assert {one.name for one in registered if one.type.startswith("millrace:infra:")} == {
        "broker", "results", "shop", "worker-shop",
    }  # fmt: skip


def test_brokers_find_each_other_by_the_given_name(registered: tuple[Registered, ...]) -> None:
    """And their certificate is for those names."""
    names = _one(registered, "Certificate", "broker-tls")["spec"]["dnsNames"]
    [container] = _one(registered, "StatefulSet", "broker")["spec"]["template"]["spec"]["containers"]
    environment = {one["name"]: one.get("value") for one in container["env"]}

    assert environment["RABBITMQ_NODENAME"] == "rabbit@$(POD_NAME).broker-nodes.shop.svc.cluster.local"
    assert {f"broker-{number}.broker-nodes.shop.svc.cluster.local" for number in range(3)} < set(names)
    assert _one(registered, "StatefulSet", "broker")["spec"]["serviceName"] == "broker-nodes"


def test_the_broker_has_no_user_but_the_programs_own(registered: tuple[Registered, ...]) -> None:
    """None of Millrace's roles."""
    secret = _one(registered, "Secret", "broker-secrets")["stringData"].value
    users = json.loads(secret["20-users.json"])

    assert [user["name"] for user in users["users"]] == ["shop"]
    assert [one["user"] for one in users["permissions"]] == ["shop"]
    assert "word-of-shop" not in secret["20-users.json"]


def test_the_pool_finds_the_broker(registered: tuple[Registered, ...]) -> None:
    """By the URL in its own Secret."""
    secret = _one(registered, "Secret", "worker-shop-passwords")["stringData"].value
    volumes = _one(registered, "Deployment", "worker-shop")["spec"]["template"]["spec"]["volumes"]

    assert "amqps://shop:word-of-shop@broker.shop.svc:5671/" in secret["broker_url"]
    assert "worker-shop-passwords" in repr(volumes)


def test_options_reach_the_resources(tmp_path: Path) -> None:
    """A program may put a component below one of its own, and protect it."""
    program = tmp_path / "__main__.py"
    program.write_text(
        "import pulumi\n"
        "from infra.components.foreign_pool import ForeignPool\n"
        "from infra.ground import Place\n"
        "from infra.settings.scaling import Fixed\n"
        "from infra.settings.workloads import Application, Pool\n"
        "parent = pulumi.ComponentResource('shop:index:Team', 'team')\n"
        "pool = Pool(name='shop', queue='shop', scaling=Fixed(replicas=1))\n"
        "ForeignPool(Place(namespace='shop'), pool, Application(image='shop:1'), secrets_hash='1',\n"
        "            opts=pulumi.ResourceOptions(parent=parent, protect=True))\n"
    )

    registered = _run(program)

    [team, pool] = [one for one in registered if not one.custom]
    assert pool.parent == team.urn
    assert all(one.parent == pool.urn and one.protect for one in registered if one.custom)


def test_a_pool_that_scales_by_its_queue_needs_a_trigger() -> None:
    """A ScaledObject without one would be refused by the cluster."""
    pool = Pool(name="shop", queue="shop", scaling=KedaQueue(min_replicas=1, max_replicas=2))
    nobody: Any = None
    with pytest.raises(ValueError, match="queue_trigger"):
        pool_scaler(nobody, pool, None, nobody)
