"""The file of queues as a stack reads it: every queue has a pool, a stack says what differs, mistakes are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.settings import stack as settings
from infra.settings.load import SettingsError, parse
from infra.settings.scaling import Fixed, HpaCpu, KedaQueue
from infra.settings.stack import Stack
from infra.settings.workloads import PoolSettings
from tests.unit.infra.stacks import config_of

ONE_LINE = '[invoices]\npurpose = "bills of customers"\n'
TABLE = (
    ONE_LINE
    + """
[invoices.pool]
concurrency = 3
timeLimitSeconds = 80
scaling = {kind = "keda-queue", maxReplicas = 9, targetWaitSeconds = 2.5}
resources = {cpu = "300m", memory = "640Mi"}
"""
)


def _stack(folder: Path, text: str, pools: Any = None) -> Stack:
    """Staging with this file of queues and these entries of pools."""
    file = folder / "queues.toml"
    file.write_text(text)
    config = config_of("staging") | {"millrace:queues": str(file)}
    workloads = {**json.loads(config["millrace:workloads"]), "pools": pools or {}}
    return parse(config | {"millrace:workloads": json.dumps(workloads)}, "staging")


def test_a_queue_of_one_line_has_a_whole_pool(tmp_path: Path) -> None:
    """Nobody needs to know what a pool is to have a queue."""
    stack = _stack(tmp_path, ONE_LINE)

    assert [queue.name for queue in stack.queues] == ["invoices"]
    [pool] = stack.workloads.pools
    assert (pool.name, pool.queue) == ("invoices", "invoices")
    assert dict(pool) == dict(PoolSettings()) | {"name": "invoices", "queue": "invoices"}


def test_the_table_of_a_queue_is_over_the_defaults_and_the_stack_over_both(tmp_path: Path) -> None:
    """Key by key, also inside."""
    entry = {"concurrency": 4, "scaling": {"maxReplicas": 5}, "resources": {"cpu": "200m"}}
    [own] = _stack(tmp_path, TABLE).workloads.pools
    [over] = _stack(tmp_path, TABLE, {"invoices": entry}).workloads.pools

    assert (own.concurrency, own.time_limit_seconds, own.prefetch_multiplier) == (3, 80, 4)
    assert own.scaling == KedaQueue(max_replicas=9, target_wait_seconds=2.5)
    assert (own.resources.cpu, own.resources.cpu_limit, own.resources.memory) == ("300m", "1", "640Mi")
    assert (over.concurrency, over.time_limit_seconds) == (4, 80)
    assert over.scaling == KedaQueue(max_replicas=5, target_wait_seconds=2.5)
    assert (over.resources.cpu, over.resources.memory) == ("200m", "640Mi")


def test_another_kind_of_scaling_replaces_it_whole(tmp_path: Path) -> None:
    """What was said for one kind means nothing to another."""
    [pool] = _stack(tmp_path, TABLE, {"invoices": {"scaling": {"kind": "hpa-cpu"}}}).workloads.pools

    assert pool.scaling == HpaCpu()


def test_a_second_pool_begins_with_what_its_queue_says(tmp_path: Path) -> None:
    """The work is the same; what the stack says of the first is not for the second."""
    night = {"queue": "invoices", "scaling": {"kind": "fixed", "replicas": 1}}
    first, second = _stack(tmp_path, TABLE, {"night": night, "invoices": {"concurrency": 1}}).workloads.pools

    assert (first.name, first.queue, first.concurrency) == ("invoices", "invoices", 1)
    assert (second.name, second.queue, second.concurrency) == ("night", "invoices", 3)
    assert second.scaling == Fixed(replicas=1)


def _pool(line: str) -> str:
    return f"{ONE_LINE}[invoices.pool]\n{line}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("declares no queue",)),
        ("[invoices", ("queues.toml: ",)),
        ("[invoices]", ("[invoices] purpose: is missing",)),
        (_pool("concurency = 3"), ("[invoices.pool] concurency: nobody reads this key; did you mean concurrency?",)),
        (_pool("concurrency = 0"), ("[invoices.pool] concurrency: ", "given: 0")),
        (_pool('queue = "bulk"'), ("[invoices.pool] queue: nobody reads this key",)),
        (_pool('name = "bulk"'), ("[invoices.pool] name: nobody reads this key",)),
        (_pool('scaling = {kind = "fixed"}'), ("[invoices.pool] scaling.replicas: is missing",)),
        (_pool('scaling = {kind = "none"}'), ("[invoices.pool] scaling: ", "'hpa-cpu'")),
        (_pool("scaling = {minReplicas = 30}"), ("[invoices.pool] scaling: maxReplicas 20 is less than",)),
        (_pool('resources = {memory = "lots"}'), ("[invoices.pool] resources.memory: not a Kubernetes quantity",)),
        (
            _pool("prefetch = 1") + '[letters]\npurpose = "x"\n[letters.pool]\nconcurrency = "x"\n',
            ("[invoices.pool] prefetch", "[letters.pool] concurrency"),
        ),
    ],
)
def test_what_is_wrong_in_the_file_is_said(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    """The file, the queue and the key; and no word of a stack's pools, which are right."""
    with pytest.raises(SettingsError) as refused:
        _stack(tmp_path, text, {"invoices": {"concurrency": 1}})
    message = str(refused.value)
    lines = message.splitlines()[1:]
    assert all(line.startswith(f"  millrace:queues: {tmp_path}/queues.toml: ") for line in lines), message
    missing = [word for word in words if word not in message]
    assert not missing, f"{missing} not in: {message}"


def test_a_default_file_that_is_wrong_is_said_by_the_same_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever edits it names no file."""
    file = tmp_path / "queues.toml"
    file.write_text("[invoices]\n")
    monkeypatch.setattr(settings, "DEFAULT", str(file))
    with pytest.raises(SettingsError, match=r"  millrace:queues: .*\[invoices\] purpose: is missing"):
        parse(config_of("staging"), "staging")


def test_another_file_is_named_from_the_repository() -> None:
    """As the default one is, wherever the program runs."""
    default = parse(config_of("staging"), "staging")
    named = parse(config_of("staging") | {"millrace:queues": "app/queues.toml"}, "staging")

    assert named == default
