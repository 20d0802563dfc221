"""The program itself on the real engine: what `pulumi preview`, `up` and `destroy` would do with each stack.

A run takes seconds, so the tests of a stack share one, in this order: it comes up, looks the same, changes, is refused.
"""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from infra.components import monitoring
from infra.lab.staging.run import EngineError, Run
from tests.harness import leaks
from tests.proofs.engine.harness.engine import Engine
from tests.unit.infra.stacks import config_of_redis

ROOT = Path(__file__).parents[3]
PACK = ROOT / "infra" / "policy"
#: What is in the cluster before us.
NAMESPACES = (
    "default",
    "kube-system",
    "cert-manager",
    "keda",
    "monitoring",
    "ingress",
    "haproxy-controller",
    "cnpg-system",
)
BROKERS = "StatefulSet/millrace-data/rabbitmq"
WORKERS = "Secret/millrace/worker-passwords"

pytestmark = pytest.mark.timeout(900)


def _program() -> None:
    runpy.run_path(str(ROOT / "infra" / "__main__.py"), run_name="__main__")


def _engine(folder: Path, stack: str, *, by_plugin: bool = False) -> Engine:
    settings = folder / f"Pulumi.{stack}.yaml"
    document = yaml.safe_load((ROOT / settings.name).read_text())
    # No kubeconfig is asked which context is current.
    if context := document["config"]["millrace:cluster"].get("context"):
        document["config"]["kubernetes:context"] = context
    settings.write_text(yaml.safe_dump(document))
    engine = Engine(folder=folder, stack=stack, settings=settings, program=_program, namespaces=NAMESPACES)
    return replace(engine, program=None, project=ROOT) if by_plugin else engine


def _set(engine: Engine, key: str, **values: object) -> None:
    """Change a setting of the stack's file, as a person would."""
    path = Path(str(engine.settings))
    document = yaml.safe_load(path.read_text())
    document["config"].setdefault(f"millrace:{key}", {}).update(values)
    path.write_text(yaml.safe_dump(document))


def _versions(engine: Engine) -> dict[str, str]:
    document = yaml.safe_load(Path(str(engine.settings)).read_text())
    return dict(document["config"]["millrace:images"]["versions"])


def _on_redis(engine: Engine) -> None:
    path = Path(str(engine.settings))
    document = yaml.safe_load(path.read_text())
    document["config"]["millrace:broker"] = config_of_redis()
    path.write_text(yaml.safe_dump(document))


@pytest.fixture(scope="module", params=["staging", "redis", "prod"])
def up(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A stack that is up, policies asked."""
    stack = "staging" if request.param == "redis" else request.param
    engine = _engine(tmp_path_factory.mktemp(request.param), stack)
    if request.param == "redis":
        _on_redis(engine)
    run = engine.up(PACK)
    assert run.violations == ()
    return engine


@pytest.fixture(scope="module")
def again(up: Engine) -> Run:
    """What a second update would do."""
    return up.preview()


def test_a_second_preview_is_empty(again: Run) -> None:
    """Nothing changes without a change."""
    assert not again.changed


def test_no_password_is_in_clear(up: Engine, again: Run) -> None:
    """Neither in the state and its history, nor in an object that is no Secret, nor in what the engine prints."""
    known = leaks.passwords(up.state_in_clear())
    assert len(known) > 20
    assert leaks.in_files(up.backend, known) == []
    assert leaks.in_objects(up.cluster.objects(), known) == []
    assert not [password for password in known if password in again.output]


def test_another_image_replaces_no_data_and_keeps_the_passwords(up: Engine) -> None:
    """A new version: pods roll, Jobs are new ones, and what holds data or a password is updated at most."""
    before = leaks.passwords(up.state_in_clear())
    _set(up, "images", versions=_versions(up) | {"app": "0.1.1"})
    run = up.up()
    assert run.changed
    assert not run.of("replace")
    assert {step.type for step in (*run.of("create"), *run.of("delete"))} == {"kubernetes:batch/v1:Job"}
    assert leaks.passwords(up.state_in_clear()) == before


@pytest.mark.parametrize("up", ["prod"], indirect=True)
def test_prod_is_not_destroyed_by_accident(up: Engine) -> None:
    """Nor are its disks replaced by an edit: the engine refuses, and says which resource is protected."""
    _set(up, "broker", storage="100Gi")
    with pytest.raises(EngineError, match="currently marked for protection"):
        up.up()
    with pytest.raises(EngineError, match="protect"):
        up.destroy()
    servers = (BROKERS, "StatefulSet/millrace-data/redis")
    assert {*servers, "Cluster/millrace-data/postgresql"} <= up.cluster.objects().keys()


def _refused(engine: Engine, why: str, *untouched: str) -> None:
    """The preview is refused; an update without one is, too, before it touches these objects."""

    def found() -> list[object]:
        return [engine.cluster.objects()[key] for key in untouched]

    before = found()
    for act in (engine.preview, engine.up):
        with pytest.raises(EngineError, match=why):
            act()
    assert found() == before


@pytest.mark.parametrize("up", ["staging"], indirect=True)
def test_fewer_brokers_are_refused(up: Engine) -> None:
    """By the nodes that there are; once they are taken out by hand, and the state has seen it, the edit passes."""
    _set(up, "broker", nodes=5)
    up.up()
    _set(up, "broker", nodes=3)
    _refused(up, r"broker\.nodes: 3, and there are 5: rabbitmq-4 and rabbitmq-3 would go .*docs/rabbitmq\.md", BROKERS)

    body = up.cluster.objects()[BROKERS]
    up.cluster.update(BROKERS, {**body, "spec": {**body["spec"], "replicas": 3}})
    up.refresh()
    up.up()
    assert not up.preview().changed


@pytest.mark.parametrize("up", ["staging"], indirect=True)
def test_a_version_without_a_path_is_refused(up: Engine) -> None:
    """From 4.3 no path leads to the other image that there is, nor back."""
    versions = _versions(up)
    _set(up, "broker", version="4.0")
    _set(up, "images", versions=versions | {"rabbitmq": "4.0-0.1.0"})
    _refused(up, r"broker\.version: 4\.0, and RabbitMQ 4\.3 runs: no supported path .*docs/rabbitmq\.md", BROKERS)
    _set(up, "broker", version="4.3")
    _set(up, "images", versions=versions)
    # The update without a preview had come as far as the brokers' settings.
    up.up()


@pytest.mark.parametrize("up", ["staging"], indirect=True)
def test_a_step_of_a_rotation_is_not_left_out(up: Engine) -> None:
    """From one password to another at once, and among servers without all of them having heard of the new one."""
    _set(up, "rotation", worker=[2])
    _refused(up, r"rotation\.worker: \[2\] after \[1\] .* deploy \[2, 1\] first", WORKERS)
    _set(up, "rotation", worker=[2, 1], probe=[2, 1])
    _refused(up, r"rotation\.probe: \[2, 1\] after \[1\] .* deploy \[1, 2\] first", WORKERS)


@pytest.mark.parametrize("up", ["staging"], indirect=True)
def test_a_step_that_failed_half_way_is_not_taken_for_done(up: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers have changed and clients may not have: the next step waits until the same deployment has ended."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("the deployment fails here")

    _set(up, "rotation", worker=[2, 1], probe=[1])
    with monkeypatch.context() as broken:
        broken.setattr(monitoring, "Monitoring", fails)
        with pytest.raises(EngineError, match="fails here"):
            up.up()
    _set(up, "rotation", worker=[2])
    with pytest.raises(EngineError, match=r"rotation\.worker: \[2\] after \[1\]"):
        up.preview()

    _set(up, "rotation", worker=[2, 1])
    up.up()
    _set(up, "rotation", worker=[2])
    assert up.preview().changed


@pytest.mark.parametrize("up", ["staging"], indirect=True)
def test_what_compares_does_not_stand_in_the_way_of_a_destruction(up: Engine) -> None:
    """No program runs then, and the state names hooks that only a program has."""
    assert up.preview_destroy().counts.keys() == {"delete"}


def test_a_language_plugin_does_not_make_policies_stricter(tmp_path: Path) -> None:
    """It gives a pack no settings; that images of staging need no digest must be known all the same."""
    run = _engine(tmp_path, "staging", by_plugin=True).preview(PACK)

    assert run.violations == ()
    assert run.counts["create"] > 100


def test_wrong_settings_change_nothing(tmp_path: Path) -> None:
    """One message, and no resource."""
    engine = _engine(tmp_path, "staging")
    _set(engine, "broker", nodes=4)
    with pytest.raises(EngineError, match="nodes 4 is even: a quorum needs an odd number, write 5"):
        engine.up()
    assert not [name for name in engine.cluster.objects() if not name.startswith("Namespace/")]
