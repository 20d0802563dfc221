"""The workers of the local stack: a service for each declared queue, in a file that `make up` writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from app import contract
from app.contract import Queue, QueuesFileError
from infra.local import compose, compose_files, settings_files
from infra.local.compose import Compose
from infra.local.secrets import write_secrets
from infra.local.settings_files import hashes, write_settings
from infra.local.state import State, container_uid
from infra.settings.limits import WORKER_PARENT_BYTES
from tests.harness import services

INVOICES = Queue(name="invoices", purpose="a test")
POOL = {
    "concurrency": 3,
    "prefetchMultiplier": 2,
    "softTimeLimitSeconds": 20,
    "timeLimitSeconds": 200,
    "gracePeriodSeconds": 240,
    "resources": {"memory": "1Gi"},
}


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Make this process read another file of queues."""

    def use(text: str) -> Path:
        file = tmp_path / "mine.toml"
        file.write_text(text)
        monkeypatch.setenv(contract.QUEUES_FILE_VARIABLE, str(file))
        contract.queues.cache_clear()
        return file

    yield use
    contract.queues.cache_clear()


def _workers(*queues: Queue) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(compose_files.workers_file(queues))["services"]
    return found


def test_a_queue_of_one_line_has_a_worker() -> None:
    """Named after it, and told of it."""
    [(name, service)] = _workers(INVOICES).items()

    assert name == "worker-invoices"
    assert service["environment"]["MILLRACE_WORKER_QUEUE"] == "invoices"
    assert service["command"] == ["worker"]
    assert any("/secrets/worker:" in volume for volume in service["volumes"])


def test_a_worker_is_as_its_pool_says() -> None:
    """What a pod is told on Kubernetes."""
    service = _workers(Queue(name="invoices", purpose="a test", pool=POOL))["worker-invoices"]
    said = {
        name: value for name, value in service["environment"].items() if name.startswith(("MILLRACE_W", "MILLRACE_T"))
    }

    assert said == {
        "MILLRACE_WORKER_QUEUE": "invoices",
        "MILLRACE_WORKER_CONCURRENCY": "3",
        "MILLRACE_WORKER_PREFETCH_MULTIPLIER": "2",
        "MILLRACE_WORKER_MAX_MEMORY_PER_CHILD_KIB": str((1024 - 128) * 1024 // 3),
        "MILLRACE_TASK_SOFT_TIME_LIMIT_SECONDS": "20",
        "MILLRACE_TASK_TIME_LIMIT_SECONDS": "200",
    }
    assert (service["mem_limit"], service["stop_grace_period"]) == (1024**3, "240s")


def test_children_fit_and_a_stop_finishes_what_runs() -> None:
    """Four children of 300,000 KiB in 1 GiB were killed before they were replaced (BR-30)."""
    for service in _workers(*contract.read_queues(contract.DEFAULT_QUEUES_FILE)).values():
        told = service["environment"]
        children = (
            int(told["MILLRACE_WORKER_CONCURRENCY"]) * int(told["MILLRACE_WORKER_MAX_MEMORY_PER_CHILD_KIB"]) * 1024
        )
        assert children + WORKER_PARENT_BYTES <= service["mem_limit"]
        assert int(service["stop_grace_period"].removesuffix("s")) > int(told["MILLRACE_TASK_TIME_LIMIT_SECONDS"])


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        ({"concurency": 3}, "[invoices.pool] concurency: nobody reads this key; did you mean concurrency?"),
        ({"gracePeriodSeconds": 60}, "[invoices.pool] gracePeriodSeconds is 60 s and must be at least 120 s"),
        ({"concurrency": 16}, "[invoices.pool] resources.memory 512Mi is too little for concurrency 16"),
    ],
)
def test_a_pool_that_cannot_run_is_refused(pool: dict[str, Any], words: str) -> None:
    """With the name of its queue, before anything is written."""
    with pytest.raises(QueuesFileError) as refused:
        compose_files.workers_file([Queue(name="invoices", purpose="a test", pool=pool)])
    assert words in str(refused.value)


def test_no_service_is_written_by_reference_to_another() -> None:
    """A person reads the file."""
    text = compose_files.workers_file([INVOICES, Queue(name="letters", purpose="a test")])

    assert "&id" not in text


def test_compose_is_given_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first start there is no second file, and `down`, `logs` and `status` work."""
    monkeypatch.setattr(compose, "program", lambda: ("docker-compose",))
    state = State(tmp_path)
    first = Compose(state, "one").command("down")
    state.workers.touch()
    second = Compose(state, "one").command("down")

    main = ["docker-compose", "--project-name", "one", "--file", str(compose_files.COMPOSE_FILE)]
    assert first == [*main, "down"]
    assert second == [*main, "--file", str(state.workers), "down"]


def test_the_declared_queues_reach_every_file(tmp_path: Path, declare: Callable[[str], Path]) -> None:
    """The copy that the containers mount, the workers, whom Prometheus asks, the alerts, the broker's definitions."""
    file = declare('[invoices]\npurpose = "a test"\n')
    state = State(tmp_path / "state")
    write_secrets(state)
    write_settings(state, "4.3")

    assert (state.config / "app" / "queues.toml").read_text() == file.read_text()
    assert yaml.safe_load(state.workers.read_text())["services"].keys() == {"worker-invoices"}
    monitoring = state.config / "prometheus"
    assert "worker-invoices:9464" in (monitoring / "prometheus.yml").read_text()
    assert 'queue=~"invoices"' in (monitoring / "rules" / "millrace.yml").read_text()
    for name in ("10-vhost.json", "20-users.json"):
        assert "invoices.dead" in (state.secrets / "rabbitmq-1" / "definitions" / name).read_text().replace("\\", "")


def test_a_changed_file_replaces_the_containers(tmp_path: Path, declare: Callable[[str], Path]) -> None:
    """By the label: of the application, and of those whose own files are another."""
    state = State(tmp_path / "state")
    declare('[invoices]\npurpose = "a test"\n')
    write_secrets(state)
    write_settings(state, "4.3")
    before = hashes(state)
    declare('[invoices]\npurpose = "another purpose"\n')
    write_settings(state, "4.3")
    after = hashes(state)

    assert {name for name in before if before[name] != after[name]} == {"app"}


def test_a_file_that_is_wrong_leaves_everything_as_it_was(tmp_path: Path, declare: Callable[[str], Path]) -> None:
    """Nobody mounts half of a change."""
    declare('[invoices]\npurpose = "a test"\n[invoices.pool]\nconcurrency = 0\n')
    state = State(tmp_path / "state")

    with pytest.raises(QueuesFileError, match=r"\[invoices.pool\] concurrency"):
        settings_files.write_settings(state, "4.3")
    assert not state.root.exists()


def test_the_tests_start_the_same_workers() -> None:
    """The harness reads the same builder."""
    service = services.read("worker-bulk", {"MILLRACE_STATE_DIR": "/state", "MILLRACE_CPUS": "2.0"})

    assert service.environment["MILLRACE_WORKER_QUEUE"] == "bulk"
    assert service.mounts == {"/state/config/app": "/etc/millrace", "/state/secrets/worker": "/run/secrets/millrace"}
    assert service.options["mem_limit"] == 512 * 1024 * 1024


FOREIGN = """
[invoices]
purpose = "a test"

[legacy]
purpose = "a test"
producers = ["billing"]

[legacy.pool.application]
image = "legacy:1"
command = ["celery", "worker"]
environment = {MINE = "7"}
"""


def test_an_application_that_is_not_ours_gets_nothing_of_ours(declare: Callable[[str], Path]) -> None:
    """Its image, its command, its environment, the user who may read its secrets, and no secret but its own."""
    declare(FOREIGN)
    service = _workers(*contract.queues())["worker-legacy"]

    assert (service["image"], service["command"]) == ("legacy:1", ["celery", "worker"])
    assert service["environment"]["MINE"] == "7"
    assert not [name for name in service["environment"] if "USER" in name or "FILE" in name]
    assert [volume.partition("/secrets/")[2] for volume in service["volumes"]] == [
        "worker-legacy:/run/secrets/millrace:ro"
    ]
    assert service["user"] == f"{container_uid()}:{container_uid()}"
    assert service["depends_on"].keys() == {"topology"}
    assert service["healthcheck"]["test"][:2] == ["CMD", "grep"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_an_image_keeps_its_own_command_where_none_is_declared() -> None:
    """The image's own command stays if none is declared; an empty list would override it."""
    pool = {"application": {"image": "legacy:1"}}

    assert "command" not in _workers(INVOICES, Queue(name="legacy", purpose="a test", pool=pool))["worker-legacy"]


def test_programs_that_are_not_ours_have_a_folder_each(tmp_path: Path, declare: Callable[[str], Path]) -> None:
    """With the broker's URL and the CA; a second start changes no password; Prometheus does not ask them."""
    declare(FOREIGN)
    state = State(tmp_path / "state")
    write_secrets(state)
    urls = {name: (state.secrets / name / "broker_url").read_text() for name in ("worker-legacy", "producer-billing")}
    write_secrets(state)
    write_settings(state, "4.3")

    for name, url in urls.items():
        assert url.startswith(f"amqps://{name}:")
        assert url.endswith("@rabbitmq:5671/millrace")
        assert (state.secrets / name / "broker_url").read_text() == url
        assert (state.secrets / name / "ca.crt").is_file()
    prometheus = (state.config / "prometheus" / "prometheus.yml").read_text()
    assert "worker-invoices:9464" in prometheus
    assert "worker-legacy" not in prometheus
