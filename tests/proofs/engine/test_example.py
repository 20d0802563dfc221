"""`examples/celery` on the real engine: components of Millrace in a program of somebody else's."""

from __future__ import annotations

import runpy
from pathlib import Path

from infra.render.program import REPOSITORY
from tests.harness import leaks
from tests.proofs.engine.harness.engine import NAMESPACES, Engine

EXAMPLE = REPOSITORY / "examples" / "celery"
SETTINGS = "config:\n  shop:registry: registry.example.com/shop\n"


def _program() -> None:
    runpy.run_path(str(EXAMPLE / "__main__.py"), run_name="__main__")


def test_it_deploys_and_then_nothing_changes(tmp_path: Path) -> None:
    """Preview, up, an empty preview, destroy; and no password stands in a file in plain text."""
    settings = tmp_path / "Pulumi.test.yaml"
    settings.write_text(SETTINGS)
    (folder := tmp_path / "engine").mkdir()
    engine = Engine(folder=folder, program=_program, name="shop", settings=settings, namespaces=(*NAMESPACES, "shop"))

    assert engine.preview().counts.keys() == {"create"}
    engine.up()
    again = engine.preview()
    assert not again.changed, again.steps

    objects = engine.cluster.objects()
    for key in ("StatefulSet/shop/broker", "StatefulSet/shop/results", "Deployment/shop/worker-shop"):
        assert key in objects
    assert leaks.in_files(engine.backend, leaks.passwords(engine.state_in_clear())) == []

    engine.destroy()
    assert {key for key in engine.cluster.objects() if not key.startswith("Namespace/")} == set()
