"""The sample on the engine. Each test also shows that the harness would notice if it were otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.lab.staging.run import EngineError
from tests.harness import leaks
from tests.proofs.engine.harness.engine import Engine
from tests.proofs.engine.sample import NAMESPACE, Sample


def test_nothing_changes_without_a_change(deployed: Engine) -> None:
    """The same program again is the same stack."""
    again = deployed.preview()
    assert not again.changed
    assert again.counts == {"same": 8}


def test_passwords_are_ciphertext_on_the_disk(deployed: Engine) -> None:
    """State, history and backups hold no password; the cluster holds it in its Secret."""
    (secret,) = deployed.cluster.objects()[f"Secret/{NAMESPACE}/password"]["stringData"].values()
    known = leaks.passwords(deployed.state_in_clear())
    assert secret in known
    assert leaks.in_files(deployed.backend, known) == []
    assert leaks.in_objects(deployed.cluster.objects(), known) == []


def test_a_password_in_clear_is_found(tmp_path: Path) -> None:
    """Planted: the password in a ConfigMap, no longer marked as secret."""
    engine = Engine(folder=tmp_path, program=Sample(leaky=True))
    engine.up()
    known = leaks.passwords(engine.state_in_clear())
    assert ".pulumi/stacks/millrace/test.json" in leaks.in_files(engine.backend, known)
    assert leaks.in_objects(engine.cluster.objects(), known) == [f"ConfigMap/{NAMESPACE}/broker"]


@pytest.mark.parametrize(
    ("changed", "operation", "field"),
    [
        (Sample(service_name="other"), "replace", "spec.serviceName"),
        (Sample(image="broker:2"), "update", "spec.template.spec.containers[0].image"),
    ],
    ids=["immutable", "mutable"],
)
def test_a_preview_tells_replacement_from_update(
    deployed: Engine, changed: Callable[[], None], operation: str, field: str
) -> None:
    """A field that Kubernetes does not let change replaces the object; another is changed in place."""
    run = deployed.running(changed).preview()
    assert run.counts == {operation: 1, "same": 7}
    (step,) = run.of(operation)
    assert (step.type, step.fields) == ("kubernetes:apps/v1:StatefulSet", (field,))


def test_a_fixed_name_is_deleted_before_it_is_made_again(tmp_path: Path) -> None:
    """Two objects cannot have one name."""
    engine = Engine(folder=tmp_path, program=Sample())
    engine.up()
    before = engine.cluster.log()
    engine.running(Sample(service_name="other")).up()
    key = f"StatefulSet/{NAMESPACE}/broker"
    assert engine.cluster.log()[len(before) :] == [("delete", key), ("create", key)]


def test_what_is_protected_stays(tmp_path: Path) -> None:
    """`destroy` refuses; without protection it leaves only what was there before."""
    engine = Engine(folder=tmp_path, program=Sample(protect=True))
    engine.up()
    with pytest.raises(EngineError, match="because it is protected"):
        engine.destroy()
    assert f"StatefulSet/{NAMESPACE}/broker" in engine.cluster.objects()
    engine.running(Sample()).up()
    engine.destroy()
    assert set(engine.cluster.objects()) == {"Namespace/default", "Namespace/kube-system"}


def test_an_object_before_its_namespace_is_refused(tmp_path: Path) -> None:
    """Planted: a namespace that waits for what belongs in it."""
    engine = Engine(folder=tmp_path, program=Sample(namespace_last=True))
    with pytest.raises(EngineError, match=f"namespaces '{NAMESPACE}' not found"):
        engine.up()


def test_what_somebody_deleted_is_made_again(deployed: Engine) -> None:
    """`refresh` sees that an object is gone, and the next `up` brings it back."""
    deployed.cluster.delete(f"StatefulSet/{NAMESPACE}/broker")
    assert deployed.refresh().counts == {"delete": 1, "same": 7}
    assert deployed.up().counts == {"create": 1, "same": 7}
