"""Three Redis with Sentinel, as a StatefulSet runs them: one primary, whatever dies; nothing lost, nothing evicted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app import contract
from app.contract import Role
from tests.harness.pods import Pod
from tests.harness.redis_sentinels import MEMORY_BYTES, Redis
from tests.harness.tls import plain_answer
from tests.harness.waiting import eventually

_MIB = 1024 * 1024


@pytest.fixture(scope="module")
def _redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    folder = tmp_path_factory.mktemp("redis")
    for part in (folder, folder.parent, folder.parent.parent):
        part.chmod(0o711)
    started = Redis(folder)
    try:
        started.primary()
        started.start_limiter()
        yield started
    finally:
        started.close()


@pytest.fixture
def sentinels(_redis: Redis) -> Redis:
    """One primary, two replicas, and a limiter that counts in Redis."""
    _redis.heal()
    _redis.primary()
    eventually(lambda: _redis.counted_by() == "global", what="Redis counts")
    return _redis


def test_every_pod_says_that_it_is_well(sentinels: Redis) -> None:
    """Started as the first of them says, confined, and each container's own check agrees."""
    assert sentinels.primary() is sentinels.pods[0]
    for pod in sentinels.pods:
        for container, question in (("redis", "ready"), ("redis", "alive"), ("sentinel", "sentinel")):
            assert pod.execute(container, "millrace-healthy", question) == (0, "")
        assert pod.execute("redis", "id", "-u")[1].strip() != "0"
        assert pod.execute("redis", "touch", "/etc/written")[0] != 0


def test_killed_primary(sentinels: Redis) -> None:
    """SIGKILL to the primary, and it stays dead.

    The limiter fails open and counts again in Redis after the failover; the old primary comes back as a replica.
    """
    old, before = sentinels.primary(), len(sentinels.counts())
    old.containers["redis"].kill("SIGKILL")
    # At some moment: this test may look only after the failover.
    eventually(lambda: "local" in sentinels.counts()[before:], what="the limiter fails open")
    new = sentinels.primary(followers=1)
    eventually(lambda: sentinels.counted_by() == "global", what="writes go to the new primary")
    assert new is not old
    sentinels.ask(new, "SET", "millrace:after", "failover")
    old.containers["redis"].start()
    assert sentinels.primary() is new
    assert sentinels.ask(old, "GET", "millrace:after") == "failover"


def test_results_follow_the_primary(sentinels: Redis) -> None:
    """A worker's results and the parts of chords go to whoever is the primary; a part that comes twice counts once."""
    assert sentinels.keep_results("before") == "7 2"
    old = sentinels.primary()
    old.containers["redis"].kill("SIGKILL")
    new = sentinels.primary(followers=1)
    assert sentinels.keep_results("after") == "7 2"
    assert sentinels.ask(new, "EXISTS", "celery-task-meta-before") == 1
    old.containers["redis"].start()


def test_hand_over_before_a_stop(sentinels: Redis) -> None:
    """What runs before a pod stops makes another one primary first, and does nothing on a replica."""
    old = sentinels.primary()
    replica = next(pod for pod in sentinels.pods if pod is not old)
    assert replica.execute("redis", "millrace-hand-over")[0] == 0
    assert sentinels.primary() is old
    assert old.execute("redis", "millrace-hand-over")[0] == 0
    # It waits for 10 s at most, so that a pod stops in time; on a slow machine the vote may take longer.
    eventually(lambda: sentinels.primary() is not old, what="another one is the primary")
    eventually(lambda: sentinels.counted_by() == "global", what="Redis counts")


def test_all_lost_after_a_failover(sentinels: Redis) -> None:
    """The first pod, as primary, is lost; the others go on without it; then they are lost too, and all come back.

    The newest vote wins, and what was written after it is there; with the order of names it would be thrown away.
    """
    first = sentinels.pods[0]
    _make_primary(sentinels, first)
    first.lose()
    new = sentinels.primary(followers=1)
    sentinels.ask(new, "SET", "millrace:kept", "since the vote")
    # On the disk of the primary and of its replica: a second of writes may be lost, and this is not about that second.
    with sentinels.session(new) as session:
        session.set("millrace:kept", "since the vote")
        assert session.execute_command("WAITAOF", 1, 1, 50_000) == [1, 1]
    for pod in sentinels.pods[1:]:
        pod.lose()
    for pod in sentinels.pods:
        pod.start()
    after = sentinels.primary()
    assert after is not first
    for pod in sentinels.pods:
        assert sentinels.ask(pod, "GET", "millrace:kept") == "since the vote"
    known = sentinels.ask(after, "SENTINEL", "SENTINELS", contract.REDIS_SERVICE, port=contract.PORT_SENTINEL)
    assert len(known) == 2, "a sentinel that came back is not one voter more"


def test_two_of_three_begin_without_the_primary(sentinels: Redis) -> None:
    """All are lost and the primary's pod does not come back: a majority elects another one."""
    old = sentinels.primary()
    with sentinels.session(old) as session:
        session.set("millrace:majority", "kept")
        assert session.execute_command("WAITAOF", 1, 2, 50_000) == [1, 2]
    for pod in sentinels.pods:
        pod.lose()
    others = [pod for pod in sentinels.pods if pod is not old]
    for pod in others:
        pod.start()
    new = sentinels.primary(followers=1)
    assert sentinels.ask(new, "GET", "millrace:majority") == "kept"
    old.start()
    assert sentinels.primary() is new


def test_a_primary_cut_off_refuses_writes(sentinels: Redis) -> None:
    """Without a replica that follows, what it took would be lost when it comes back."""
    primary = sentinels.primary()
    others = [pod for pod in sentinels.pods if pod is not primary]
    for pod in others:
        pod.containers["redis"].kill("SIGKILL")
    with sentinels.session(primary) as session:

        def refused() -> bool:
            with pytest.raises(redis.ResponseError, match=r"NOREPLICAS|Not enough good replicas"):
                session.set("millrace:alone", "1")
            return True

        eventually(refused, what="writes are refused", tolerate=(pytest.fail.Exception,))
    eventually(lambda: sentinels.counted_by() == "local", what="the limiter fails open")
    for pod in others:
        pod.containers["redis"].start()
    eventually(lambda: sentinels.counted_by() == "global", what="Redis counts again")


@pytest.mark.parametrize("role", [Role.GATEWAY, Role.WORKER, Role.REPLICA, Role.PROBE, Role.SENTINEL])
@pytest.mark.parametrize(
    "command",
    ["FLUSHALL", "FLUSHDB", "CONFIG GET *", "KEYS *", "SHUTDOWN", "ACL LIST", "REPLICAOF NO ONE", "GET somebody:elses"],
)
def test_redis_refuses(sentinels: Redis, role: Role, command: str) -> None:
    """No role but the operator's may look at or touch what is not its own."""
    with pytest.raises(redis.exceptions.NoPermissionError, match=r"(?i)no permissions"):
        sentinels.ask(sentinels.primary(), *command.split(), role=role)


@pytest.mark.parametrize("role", [Role.GATEWAY, Role.WORKER, Role.PROBE])
@pytest.mark.parametrize(
    "command", ["SENTINEL FAILOVER millrace", "SENTINEL SET millrace quorum 1", "SENTINEL REMOVE millrace", "SHUTDOWN"]
)
def test_sentinel_refuses(sentinels: Redis, role: Role, command: str) -> None:
    """A process may ask who is the primary, and no more."""
    with pytest.raises(redis.exceptions.NoPermissionError, match=r"(?i)no permissions"):
        sentinels.ask(sentinels.pods[1], *command.split(), role=role, port=contract.PORT_SENTINEL)


@pytest.mark.parametrize("port", [contract.PORT_REDIS, contract.PORT_SENTINEL])
def test_nobody_without_tls_or_password(sentinels: Redis, port: int) -> None:
    """Plain text is not answered; TLS without a user gets nothing."""
    pod = sentinels.pods[0]
    assert b"PONG" not in plain_answer(sentinels.ports[pod.host][port], b"PING\r\n")
    stranger = redis.Redis(
        host="127.0.0.1", port=sentinels.ports[pod.host][port], ssl=True, ssl_ca_certs=str(sentinels.ca_file),
        retry=Retry(NoBackoff(), 0),
    )  # fmt: skip
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_full_memory(sentinels: Redis) -> None:
    """Writes are refused, nothing is thrown away, the limiter counts alone; with room again everything is as before."""
    primary = sentinels.primary()
    sentinels.ask(primary, "SET", "millrace:oldest", "kept")
    written: list[str] = []
    with sentinels.session(primary, Role.WORKER) as worker:

        def fill(size_bytes: int) -> None:
            with contextlib.suppress(redis.OutOfMemoryError):
                for number in range(len(written), len(written) + 2 * MEMORY_BYTES // size_bytes):
                    worker.set(f"celery-task-meta-{number}", b"x" * size_bytes)
                    written.append(f"celery-task-meta-{number}")

        fill(_MIB)
        assert len(written) < MEMORY_BYTES // _MIB, "more was taken than there is"

        def full_for_the_limiter() -> bool:
            # The buffer of a value that was refused is given back: then smaller ones fit again, as the limiter's do.
            for size_bytes in (64 * 1024, 4 * 1024, 256, 16):
                fill(size_bytes)
            return sentinels.counted_by() == "local"

        eventually(full_for_the_limiter, what="the limiter fails open")
        statistics = sentinels.ask(primary, "INFO", "stats")
        assert statistics["evicted_keys"] == 0
        assert sentinels.ask(primary, "EXISTS", "millrace:oldest", *written) == len(written) + 1
        worker.delete(*written)
    eventually(lambda: sentinels.counted_by() == "global", what="Redis counts again")
    assert sentinels.primary() is primary, "nobody died of it"


def _make_primary(sentinels: Redis, wanted: Pod) -> None:
    """Have the sentinels choose this pod: of replicas in step they take the one of the lowest priority number."""
    if sentinels.primary() is wanted:
        return

    def chosen() -> bool:
        pod = sentinels.primary()
        if pod is wanted:
            return True
        # Refused while the last one goes on, and for a while after it; and one that they give up is asked for again.
        with contextlib.suppress(redis.ResponseError):
            sentinels.ask(pod, "SENTINEL", "FAILOVER", contract.REDIS_SERVICE, port=contract.PORT_SENTINEL)
        return False

    def known() -> bool:
        for pod in sentinels.pods:
            with sentinels.session(pod, port=contract.PORT_SENTINEL) as session:
                replicas = {replica["name"]: replica for replica in session.sentinel_slaves(contract.REDIS_SERVICE)}
            name = f"{wanted.host}:{contract.PORT_REDIS}"
            if replicas[name]["slave-priority"] != 1:
                raise LookupError(f"{pod.name}'s sentinel: {replicas[name]}")
        return True

    sentinels.ask(wanted, "CONFIG", "SET", "replica-priority", 1)
    try:
        eventually(
            known,
            what=f"the sentinels know the priority of {wanted.name}",
            tolerate=(LookupError,),
        )
        eventually(chosen, what=f"{wanted.name} is the primary", every=1)
    finally:
        sentinels.ask(wanted, "CONFIG", "SET", "replica-priority", 100)
