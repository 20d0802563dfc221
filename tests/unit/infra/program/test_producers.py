"""A producer that a queue names: its password, its user, and the way of its pods if the stack says where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app import contract
from infra.settings.load import SettingsError
from tests.unit.infra.stacks import Rendered, config_of, render

WHERE = {"namespace": "billing", "labels": {"app": "billing"}}


def _staging(folder: Path, producers: dict[str, Any]) -> Rendered:
    file = folder / "queues.toml"
    named = 'purpose = "a test"\nproducers = ["billing", "reports"]'
    file.write_text(contract.DEFAULT_QUEUES_FILE.read_text() + f"\n[invoices]\n{named}\n")
    config = config_of("staging") | {"millrace:queues": str(file), "millrace:producers": json.dumps(producers)}
    return render("staging", config)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Staging with two producers; of one it says where it runs."""
    return _staging(tmp_path_factory.mktemp("producers"), {"billing": WHERE})


def test_each_has_a_password_of_its_own(named: Rendered) -> None:
    """In a Secret that its owner copies."""
    for name in ("billing", "reports"):
        secret = named.registration(named.one("Secret", f"producer-{name}-passwords"))
        said = secret.inputs["stringData"].value
        assert said["rabbitmq_password"] == f"marked-producer-{name}-rabbitmq"
        assert said["broker_url"].startswith(f"amqps://producer-{name}:marked-producer-{name}-rabbitmq@rabbitmq.")


def test_only_declared_pods_reach_the_broker(named: Rendered) -> None:
    """One peer, of that namespace and those labels, on the port of AMQP and no other."""
    rules = named.one("NetworkPolicy", "rabbitmq").body["spec"]["ingress"]
    theirs = [
        rule
        for rule in rules
        for peer in rule["from"]
        if peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "billing"}
    ]

    assert [rule["ports"] for rule in theirs] == [[{"port": contract.PORT_AMQPS, "protocol": "TCP"}]]
    assert theirs[0]["from"][0]["podSelector"]["matchLabels"] == WHERE["labels"]
    assert "reports" not in json.dumps(rules)


def test_a_producer_that_no_queue_names_is_refused(tmp_path: Path) -> None:
    """A producer that no queue names is refused, because it is a typo."""
    with pytest.raises(SettingsError, match=r"producers.biling: no queue names it; named are billing, reports"):
        _staging(tmp_path, {"biling": WHERE})
