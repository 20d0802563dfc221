"""What compose.yaml promises about every container, and the alerts about their runbooks."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from app import contract
from infra.local import folders, stack
from infra.local.settings_files import RULES
from infra.local.state import REPOSITORY

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"migrate", "topology", "operator"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_confined(name: str) -> None:
    """No capabilities, no new privileges, nothing to write to, limits, and no root."""
    service = SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["mem_limit"]
    assert service["cpus"]
    assert service.get("user") is None, "the image says who: not root"
    assert not service.get("privileged")


def test_ports_are_on_the_loopback_interface() -> None:
    """Nothing of the local stack is reachable from another machine."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert ports
    assert not [port for port in ports if not port.startswith("127.0.0.1:")]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONE_SHOT - {"retention"}))
def test_what_runs_has_a_health_check(name: str) -> None:
    """So that `make up` can wait for it."""
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_in_the_environment(name: str) -> None:
    """Secrets are files; each container mounts the folder of its own role."""
    service = SERVICES[name]
    folder_names = {folder.name for folder in folders.ALL}
    mounted = [volume.split("secrets/")[1].split(":")[0] for volume in service["volumes"] if "/secrets/" in volume]

    assert not [key for key in service.get("environment", {}) if "PASSWORD" in key or "SECRET" in key]
    assert len(mounted) == 1
    assert mounted[0] in folder_names


def test_up_starts_every_service() -> None:
    """A service that `make up` forgets is never started."""
    assert {*stack.SERVERS, *stack.PROCESSES, *ONE_SHOT} == set(SERVICES)


def _alerts() -> list[dict[str, Any]]:
    groups = [group for path in RULES.glob("*.yml") for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("alert", _alerts(), ids=lambda rule: rule["alert"])
def test_every_alert_has_its_runbook(alert: dict[str, Any]) -> None:
    """A page of the alert's name with the four headings, and a severity that says whom it wakes."""
    path = REPOSITORY / "runbooks" / f"{alert['alert']}.md"
    text = path.read_text()

    assert alert["annotations"]["runbook_url"] == f"runbooks/{path.name}"
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"]
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert re.findall(r"^#+ (.*)$", text, re.MULTILINE) == [
        alert["alert"],
        "Meaning",
        "Impact",
        "Diagnosis",
        "Mitigation",
    ]


def test_alerts_read_metrics_of_the_contract() -> None:
    """A metric that was renamed makes an alert silent for ever."""
    known = {value for name, value in vars(contract).items() if name.startswith("METRIC_")}
    words = {word for rule in _alerts() for word in re.findall(r"\bmillrace_\w+", rule["expr"])}
    used = {re.sub("_(bucket|count|sum)$", "", word) for word in words}

    assert used <= known
