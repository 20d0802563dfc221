"""A pool's workers may call outside the cluster only what its `farSides` names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.policy.model import Context
from infra.policy.registry import check
from infra.settings.load import SettingsError
from tests.unit.infra.stacks import Rendered, config_of, render


def _staging(**far_sides: Any) -> Rendered:
    config = config_of("staging")
    workloads = json.loads(config["millrace:workloads"])
    workloads["pools"].setdefault("external", {})["farSides"] = far_sides
    return render("staging", config | {"millrace:workloads": json.dumps(workloads)})


def test_one_pool_reaches_them_and_no_other_pod() -> None:
    """The rendered policies gain one rule, in one policy."""
    rendered = _staging(cidrs=["203.0.113.0/24"], ports=[443, 8443])
    ways_out = {
        policy["metadata"]["name"]: rule
        for policy in rendered.bodies("NetworkPolicy")
        for rule in policy["spec"].get("egress", ())
        if any("ipBlock" in peer for peer in rule["to"])
    }
    [(name, rule)] = [(name, rule) for name, rule in ways_out.items() if "203.0.113" in str(rule)]
    assert name == "worker-external"
    assert [port["port"] for port in rule["ports"]] == [443, 8443]


@pytest.mark.parametrize("wrong", [{"cidrs": []}, {"cidrs": ["example.com"]}, {"cidrs": ["10.0.0.0/8"], "ports": [0]}])
def test_what_is_no_address_is_refused(wrong: dict[str, Any]) -> None:
    """The settings are refused before anything is deployed."""
    with pytest.raises(SettingsError, match="farSides"):
        _staging(**wrong)


def test_the_internet_is_not_a_far_side() -> None:
    """The policy pack refuses it, too."""
    violations = check(_staging(cidrs=["0.0.0.0/0"]).bodies(), Context("staging"))
    assert {violation.rule for violation in violations} == {"network-no-internet"}
