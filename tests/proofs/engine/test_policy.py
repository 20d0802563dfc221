"""A policy pack under the engine: it is asked, and what it forbids does not happen."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.lab.staging.run import EngineError
from tests.proofs.engine.harness.engine import Engine
from tests.proofs.engine.sample import Sample

PACK = Path(__file__).parent / "pack"


def test_a_mandatory_rule_stops_the_preview_and_the_update(tmp_path: Path) -> None:
    """Planted: an image without a tag."""
    engine = Engine(folder=tmp_path, program=Sample(image="broker"))
    for act in (engine.preview, engine.up):
        with pytest.raises(EngineError) as refused:
            act(PACK)
        (found,) = (violation for violation in refused.value.run.violations if violation.level == "mandatory")
        assert found.policy == "image-has-a-tag"
        assert "broker has no tag" in found.message
        assert found.urn.endswith("StatefulSet::broker")
    assert not any(key.startswith("StatefulSet/") for key in engine.cluster.objects())


def test_an_advisory_rule_only_speaks(tmp_path: Path) -> None:
    """It sees the whole stack, and the stack comes up."""
    run = Engine(folder=tmp_path, program=Sample()).up(PACK)
    assert [violation.policy for violation in run.violations] == ["says-what-it-sees"]
    assert "1 stateful set" in run.violations[0].message
