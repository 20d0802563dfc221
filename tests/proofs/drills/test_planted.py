"""Planted bugs: a fault that does not happen shows nothing, and a way back that leads nowhere is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chaos import container_faults, faults, injections
from chaos.components import Member
from chaos.experiment import find
from chaos.faults import Verb
from chaos.injections import held
from chaos.plan import Plan, Scene
from chaos.runner import Course, run
from tests.harness.stack import Stack


def _plant(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    def kill(member: Member, scene: Scene) -> Plan:
        return replace(container_faults.kill(member, scene), **changes)

    monkeypatch.setattr(faults, "VERBS", {**faults.VERBS, "kill": Verb(plan=kill)})


@pytest.mark.usefixtures("here")
def test_a_fault_that_does_not_happen_is_void(single: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the drill says that it did."""
    monkeypatch.setattr(injections, "NOTICE_SECONDS", 1.0)
    _plant(monkeypatch, inject=())

    outcome = run(find("relay_killed"))

    assert outcome.course is Course.VOID
    assert outcome.detail.endswith("relay-1 runs.")
    assert outcome.confirmed_at is None
    assert single.machines["relay-1"].running


@pytest.mark.usefixtures("here")
def test_a_way_back_that_leads_nowhere_is_seen(single: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steady state after the drill is red."""
    _plant(monkeypatch, undo=())
    experiment = find("relay_killed")
    probe = experiment.document["steady-state-hypothesis"]["probes"][0]
    probe["provider"]["arguments"] = {"within_seconds": 3}

    outcome = run(experiment)

    assert outcome.course is Course.BROKEN
    assert "relay-1 ended with 137" in outcome.detail
    assert not single.machines["relay-1"].running
    assert held().held == []
