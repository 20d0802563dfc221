"""What Compose's files promise about every container."""

from __future__ import annotations

from typing import Any

import pytest

from app.contract import DEFAULT_QUEUES_FILE, read_queues
from infra.local import compose_files, folders, stack
from infra.local.brokers import RABBITMQ

QUEUES = read_queues(DEFAULT_QUEUES_FILE)
SERVICES: dict[str, dict[str, Any]] = compose_files.whole(QUEUES)["services"]
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
    assert {*stack.SERVERS, *RABBITMQ.servers, *stack.processes(QUEUES), *ONE_SHOT} == set(SERVICES)


def test_every_container_of_the_application_reads_the_file_of_queues() -> None:
    """The one that `make up` copied, and not the image's."""
    ours = {name: service for name, service in SERVICES.items() if "millrace-app" in service["image"]}
    assert {*stack.processes(QUEUES), *ONE_SHOT} == ours.keys()
    for name, service in ours.items():
        assert service["environment"]["MILLRACE_QUEUES_FILE"] == "/etc/millrace/queues.toml", name
        [mounted] = [one for one in service["volumes"] if one.endswith(":/etc/millrace:ro")]
        assert mounted == "${MILLRACE_STATE_DIR:-./.millrace}/config/app:/etc/millrace:ro"
        assert "MILLRACE_FILES_APP" in service["labels"]["millrace.files"]
