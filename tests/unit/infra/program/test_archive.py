"""Prod's archive: as whom the database logs in to the bucket, what it reaches for that, how it is restored (I5, I6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from infra.settings.load import SettingsError
from tests.unit.infra.stacks import Rendered, config_of, render

ROLE = "arn:aws:iam::123456789012:role/millrace-prod-postgresql"


def _prod(**changed: Mapping[str, Any]) -> Rendered:
    config = config_of("prod")
    for key, values in changed.items():
        name = f"millrace:{key}"
        config[name] = json.dumps(json.loads(config[name]) | dict(values))
    return render("prod", config)


def _cluster(rendered: Rendered) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = rendered.one("Cluster", "postgresql").body["spec"]
    return spec


def _ways_out(rendered: Rendered) -> set[tuple[str, int]]:
    rules = rendered.one("NetworkPolicy", "postgresql").body["spec"]["egress"]
    return {
        (peer["ipBlock"]["cidr"], port["port"])
        for rule in rules
        for peer in rule.get("to", [])
        if "ipBlock" in peer
        for port in rule["ports"]
    }


def _credentials(rendered: Rendered) -> Mapping[str, Any]:
    found: Mapping[str, Any] = rendered.one("ObjectStore", "postgresql").body["spec"]["configuration"]["s3Credentials"]
    return found


def test_with_irsa_the_account_names_its_role_and_reaches_sts() -> None:
    """Without either no segment of the log is archived, until the disk is full."""
    rendered = _prod()

    account = _cluster(rendered)["serviceAccountTemplate"]["metadata"]
    assert account == {"annotations": {"eks.amazonaws.com/role-arn": ROLE}}
    assert ("10.0.66.0/24", 443) in _ways_out(rendered)
    assert _credentials(rendered) == {"inheritFromIAMRole": True}


def test_with_pod_identity_the_agent_of_the_node_is_reached() -> None:
    """The association is made in AWS, with the account that the operator names as the cluster."""
    rendered = _prod(objectStore={"identity": {"kind": "pod-identity"}})

    assert "serviceAccountTemplate" not in _cluster(rendered)
    assert ("169.254.170.23/32", 80) in _ways_out(rendered)
    assert _credentials(rendered) == {"inheritFromIAMRole": True}


def test_with_keys_they_are_read_from_a_secret() -> None:
    """Of a store that is not AWS'."""
    rendered = _prod(objectStore={"identity": {"kind": "keys"}})

    assert {port for _, port in _ways_out(rendered)} == {443, 6443}
    assert {part["name"] for part in _credentials(rendered).values()} == {"postgresql-s3"}


def test_a_cluster_begins_empty() -> None:
    """Unless told otherwise; its archive has the name that a recovery will ask for."""
    spec = _cluster(_prod())

    assert set(spec["bootstrap"]) == {"initdb"}
    assert "externalClusters" not in spec
    assert spec["plugins"][0]["parameters"] == {"barmanObjectName": "postgresql", "serverName": "postgresql"}


@pytest.mark.parametrize(
    ("target", "told"),
    [(None, None), ("2026-11-30T04:00:00+01:00", {"targetTime": "2026-11-30T04:00:00+01:00"})],
)
def test_a_cluster_is_restored_from_another_ones_archive(target: str | None, told: Mapping[str, str] | None) -> None:
    """Up to a moment, or to the end; and what it writes goes to an archive of its own."""
    recovery = {"archive": "postgresql", **({"targetTime": target} if target else {})}
    spec = _cluster(_prod(database={"archive": "postgresql-2", "recovery": recovery}))

    assert set(spec["bootstrap"]) == {"recovery"}
    asked = spec["bootstrap"]["recovery"]
    assert (asked["database"], asked["owner"]) == ("millrace", "owner")
    assert asked.get("recoveryTarget") == told
    [lost] = spec["externalClusters"]
    assert lost["name"] == asked["source"]
    assert lost["plugin"]["parameters"] == {"barmanObjectName": "postgresql", "serverName": "postgresql"}
    assert spec["plugins"][0]["parameters"]["serverName"] == "postgresql-2"


@pytest.mark.parametrize(
    ("key", "values", "said"),
    [
        ("database", {"recovery": {"archive": "postgresql"}}, "would be written over while it is read"),
        (
            "database",
            {"archive": "b", "recovery": {"archive": "postgresql", "targetTime": "2026-11-30T04:00:00"}},
            "targetTime",
        ),
        ("database", {"apiServerCidrs": ["10.0.0.1/32"]}, "10.0.0.1/32 is one address, and a managed API server moves"),
        ("database", {"apiServerCidrs": ["10.0.0.1/24"]}, "has host bits set"),
        ("objectStore", {"identity": {"kind": "irsa", "roleArn": ROLE}}, "stsCidrs"),
        ("objectStore", {"identity": {"kind": "irsa", "roleArn": "x", "stsCidrs": ["10.0.66.0/24"]}}, "roleArn"),
        ("objectStore", {"identity": None}, "identity"),
    ],
)
def test_contradictions_are_refused(key: str, values: Mapping[str, Any], said: str) -> None:
    """Before anything is changed."""
    with pytest.raises(SettingsError, match=said):
        _prod(**{key: values})
