"""Redis' settings, the sentinels', and who has a user on either."""

from __future__ import annotations

import pytest
import yaml

from app.contract import Role
from infra.local.settings_files import POSTGRESQL_MEMORY_BYTES, REDIS_MEMORY_BYTES
from infra.local.state import REPOSITORY
from infra.servers import sentinel
from infra.servers.redis import RULES, users_acl
from infra.servers.redis_conf import redis_conf

MIB = 1024 * 1024
PASSWORDS = {role: {str(role): f"secret-of-{role}"} for role in RULES}
NODES = sentinel.node_names(3, "redis-nodes", "millrace-data")


def _lines(text: str) -> dict[str, str]:
    pairs = (line.partition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize("topology", ["single", "sentinel"])
def test_what_is_never_for_sale(topology: str) -> None:
    """TLS only, everything on disk, nothing evicted: in either topology."""
    lines = _lines(redis_conf(256 * MIB, 1000, topology))  # type: ignore[arg-type]

    assert lines["port"] == "0"
    assert lines["tls-protocols"] == '"TLSv1.2 TLSv1.3"'
    assert lines["maxmemory-policy"] == "noeviction"
    assert int(lines["maxmemory"]) == 192 * MIB
    assert (lines["appendonly"], lines["appendfsync"], lines["save"]) == ("yes", "everysec", '""')
    assert lines["aclfile"].startswith("/run/secrets/")


def test_replication_belongs_to_sentinel() -> None:
    """A single Redis that waited for a replica would never take a write."""
    assert "min-replicas-to-write" not in redis_conf(256 * MIB, 1000)
    lines = _lines(redis_conf(256 * MIB, 1000, "sentinel"))
    assert lines["min-replicas-to-write"] == "1"
    assert lines["tls-replication"] == "yes"


def test_a_majority_decides() -> None:
    """Host names, not addresses; the first node is the first primary."""
    text = sentinel.sentinel_conf(NODES)

    assert f"sentinel monitor millrace {NODES[0]} 6379 2\n" in text
    assert "sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n" in text
    assert sentinel.nodes_file(NODES).splitlines() == list(NODES)


@pytest.mark.parametrize("replicas", [0, 1, 2, 4])
def test_numbers_without_a_majority_are_refused(replicas: int) -> None:
    """Two sentinels cannot outvote each other, four are no better than three."""
    with pytest.raises(ValueError, match="odd number of at least 3"):
        sentinel.sentinel_conf(sentinel.node_names(replicas, "redis-nodes", "millrace-data"))


@pytest.mark.parametrize(("acl", "reads"), [(users_acl, " allkeys +@write +select"), (sentinel.sentinel_acl, "")])
def test_access_lists_begin_with_nobody(acl: type, reads: str) -> None:
    """The default user is off, no password stands there in plain, every user begins with no rights.

    Redis reads its append-only file as the default user: it may write, although nobody can be it.
    """
    first, *users = acl(PASSWORDS).splitlines()

    assert first == "user default off resetpass resetkeys resetchannels -@all" + reads
    assert "secret-of" not in "".join(users)
    assert all(" reset on #" in line for line in users)


def test_a_worker_reaches_results_and_patterns_and_nothing_else() -> None:
    """No key of the gateway's limiter, no channel but a result's, no command that needs no key."""
    rule = RULES[Role.WORKER].split()

    assert [word for word in rule if word[0] in "~&"] == [
        "~celery-task-meta-*",
        "~celery-taskset-meta-*",
        "&celery-task-meta-*",
        "~limit:*",
        "~cache:*",
    ]
    assert not {"+keys", "+scan", "+flushall", "+config", "+eval", "+@all", "+@write"}.intersection(rule)


def test_the_gateway_reads_results_and_writes_none() -> None:
    """The gateway reads results for their owners; in Redis it writes only rate limits."""
    rule = RULES[Role.GATEWAY].split()

    keys = ["~throttled:*", "~millrace:*", "%R~celery-task-meta-*"]
    assert [word for word in rule if word[0] in "~&%"] == keys
    assert not {"+keys", "+scan", "+flushall", "+config", "+@all", "+@write"}.intersection(rule)


def test_only_who_has_a_password_has_a_user() -> None:
    """A single Redis knows neither replica nor sentinel."""
    acl = users_acl({Role.GATEWAY: {"gateway": "g"}, Role.PROBE: {"probe": "p"}})

    assert [line.split()[1] for line in acl.splitlines()] == ["default", "gateway", "probe"]


def test_compose_gives_the_memory_that_settings_reckon_with() -> None:
    """Or Redis is killed before it says that it is full."""
    services = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())["services"]

    assert services["redis"]["mem_limit"] == f"{REDIS_MEMORY_BYTES // MIB}m"
    assert services["postgresql"]["mem_limit"] == f"{POSTGRESQL_MEMORY_BYTES // MIB // 1024}g"
