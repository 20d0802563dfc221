"""`pulumi up` with the real engine and the real provider on a real API server. No pod runs, so a deployment is seconds.

The tests share one stack, in this order: it comes up although it was killed, looks the same, changes, is removed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from infra import naming
from infra.lab.staging.engine import Engine
from infra.lab.staging.run import EngineError
from infra.local.state import REPOSITORY
from tests.harness import leaks
from tests.harness.waiting import eventually
from tests.proofs.api_server.api_server import ApiServer
from tests.proofs.api_server.neighbours import prepare

PROJECT = Path(__file__).parent / "project"
Change = Callable[[dict[str, Any]], None]

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def engine(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Staging's own settings, on this API server."""
    prepare(api_server.client)
    folder = tmp_path_factory.mktemp("pulumi")
    made = Engine(
        folder=folder / "engine",
        settings=folder / "Pulumi.staging.yaml",
        kubeconfig=str(api_server.kubeconfig),
        project=PROJECT,
    )
    _write(made)
    return made


def _write(engine: Engine, change: Change = lambda _: None) -> None:
    document = yaml.safe_load((REPOSITORY / "Pulumi.staging.yaml").read_text())
    change(document["config"])
    engine.settings.write_text(yaml.safe_dump(document))


def _up(engine: Engine) -> None:
    os.setsid()
    engine.up()


def _namespaces(api_server: ApiServer) -> set[str]:
    found = client.CoreV1Api(api_server.client).list_namespace().items
    return {space.metadata.name for space in found} & set(naming.NAMESPACES)


def test_another_context_is_refused(engine: Engine, api_server: ApiServer) -> None:
    """Before anything is changed: planted, a stack that belongs to another cluster than the current one."""
    _write(engine, lambda config: config["millrace:cluster"].update(context="another"))
    with pytest.raises(EngineError, match="belongs to the kubeconfig's context 'another', and 'millrace' is current"):
        engine.up()
    assert not _namespaces(api_server)
    assert len(engine.state_in_clear().get("resources", ())) <= 1
    _write(engine)


def test_a_killed_deployment_goes_on(engine: Engine, api_server: ApiServer) -> None:
    """Engine and plugins die in the middle: the same command ends, and the next one has nothing to do."""
    process = multiprocessing.get_context("spawn").Process(target=_up, args=(engine,))
    process.start()
    eventually(lambda: len(_secrets(api_server)) >= 2, what="the first Secrets")
    assert process.pid is not None
    os.killpg(process.pid, signal.SIGKILL)
    process.join()
    engine.up()
    again = engine.preview()
    assert not again.changed, again.output
    assert again.violations == ()
    # A pack that always speaks shows that the engine of the lab asks one.
    asked = replace(engine, policies=REPOSITORY / "tests/proofs/engine/pack").preview()
    assert {found.policy for found in asked.violations} == {"says-what-it-sees"}


def _secrets(api_server: ApiServer) -> list[str]:
    core = client.CoreV1Api(api_server.client)
    if naming.NAMESPACE_APP not in _namespaces(api_server):
        return []
    return [secret.metadata.name for secret in core.list_namespaced_secret(naming.NAMESPACE_APP).items]


def test_a_refresh_finds_nothing(engine: Engine) -> None:
    """What the API server adds is not taken for a change."""
    run = engine.refresh()
    assert not run.changed, run.output


def test_the_state_holds_no_secret_in_clear(engine: Engine) -> None:
    """Nor its history and its backups."""
    known = leaks.passwords(engine.state_in_clear())
    assert len(known) > 20
    assert leaks.in_files(engine.backend, known) == []


def test_what_is_not_wanted_any_more_goes_and_passwords_stay(engine: Engine, api_server: ApiServer) -> None:
    """Planted: a stack without Prometheus."""
    before = leaks.passwords(engine.state_in_clear())
    monitors = client.CustomObjectsApi(api_server.client)

    def found() -> int:
        where = ("monitoring.coreos.com", "v1", naming.NAMESPACE_APP, "podmonitors")
        return len(monitors.list_namespaced_custom_object(*where)["items"])

    assert found()
    _write(engine, lambda config: config["millrace:cluster"].pop("monitoringNamespace"))
    run = engine.up()
    assert run.of("delete")
    assert not found()
    assert leaks.passwords(engine.state_in_clear()) <= before
    _write(engine)
    engine.up()


def test_brokers_that_were_taken_out_by_hand_may_be_fewer(engine: Engine, api_server: ApiServer) -> None:
    """An edit alone is refused in the preview (I12); once a refresh has seen what runs, it is no change any more."""
    sets = client.AppsV1Api(api_server.client)
    of_brokers = (naming.RABBITMQ, naming.NAMESPACE_DATA)
    _write(engine, lambda config: config["millrace:broker"].update(nodes=5))
    engine.up()

    _write(engine)
    for act in (engine.preview, engine.up):
        with pytest.raises(EngineError, match=r"broker\.nodes: 3, and there are 5: rabbitmq-4 and rabbitmq-3 would go"):
            act()
    assert sets.read_namespaced_stateful_set(*of_brokers).spec.replicas == 5

    sets.patch_namespaced_stateful_set_scale(*of_brokers, {"spec": {"replicas": 3}})
    engine.refresh()
    engine.up()
    again = engine.preview()
    assert not again.changed, again.output


def test_a_failed_job_is_made_anew(engine: Engine, api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps its name, and would stand in the way of each later deployment."""
    monkeypatch.setenv("MILLRACE_JOBS_FAIL", "1")
    engine.up()
    jobs = client.BatchV1Api(api_server.client)

    def failed() -> set[str]:
        found = jobs.list_namespaced_job(naming.NAMESPACE_APP).items
        states = {job.metadata.uid: {one.type for one in job.status.conditions or ()} for job in found}
        return {uid for uid, state in states.items() if "Failed" in state}

    eventually(lambda: len(failed()) == 2, what="migration and topology have failed")
    before = failed()
    # The same settings again.
    assert engine.up().counts["replace"] == 2
    assert not failed() & before
    monkeypatch.delenv("MILLRACE_JOBS_FAIL")
    engine.up()
    again = engine.preview()
    assert not again.changed, again.output


def test_destroy_leaves_nothing(engine: Engine, api_server: ApiServer) -> None:
    """The namespaces went with all that was in them."""
    engine.destroy()
    # Nothing is waited for here.
    eventually(lambda: not _namespaces(api_server), what="no namespace is left")
