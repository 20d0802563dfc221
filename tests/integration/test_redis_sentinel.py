"""Three Redis with Sentinel, as a StatefulSet runs them: one primary, whatever dies; nothing lost, nothing evicted."""

from __future__ import annotations

import contextlib
import secrets as random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import redis
from docker.models.containers import Container
from redis.backoff import NoBackoff
from redis.retry import Retry

from app import contract
from app.contract import Role
from infra.local import certificates, files
from infra.servers import sentinel
from infra.servers.redis import RULES, users_acl
from infra.servers.redis_conf import redis_conf
from tests.integration.harness import cleanup, images
from tests.integration.harness.pods import Pod
from tests.integration.harness.ports import free_port
from tests.integration.harness.tls import plain_answer
from tests.integration.harness.waiting import eventually

_NODES = sentinel.node_names(3, "redis-nodes", "millrace-data")
_MIB = 1024 * 1024
_MEMORY_BYTES = 64 * _MIB
#: A failover takes about 6 s; a machine with two cores that runs other tests takes longer.
_FAILOVER_SECONDS = 60.0
#: The gateway's limiter, which says after each check who counted.
_LIMITER = """
import asyncio
from app.gateway.rate_limits import RateLimiter
from app.settings import load

async def main():
    limiter = RateLimiter(load())
    watching = asyncio.create_task(limiter.breaker.watch())
    while True:
        await limiter.check("key", 1000)
        print("global" if limiter.breaker.closed else "local", flush=True)
        await asyncio.sleep(0.05)

asyncio.run(main())
"""


class Redis:
    """The three pods, and a gateway's limiter that uses them."""

    def __init__(self, folder: Path) -> None:
        """Start everything."""
        self._client = docker.from_env()
        self.passwords = {role: random.token_urlsafe(32) for role in RULES}
        authority = certificates.make_authority()
        self.ca_file = folder / "ca.crt"
        mounts = {
            str(self._server_secrets(folder / "server", authority)): "/run/secrets/millrace",
            str(self._config(folder / "config")): "/etc/millrace",
        }
        self.gateway_secrets = self._gateway_secrets(folder / "gateway", authority)
        files.write(self.ca_file, authority.certificate)
        self.network = self._client.networks.create(f"redis-{random.token_hex(4)}", labels=cleanup.labels())
        self.ports = {
            host: {inside: free_port() for inside in (contract.PORT_REDIS, contract.PORT_SENTINEL)} for host in _NODES
        }
        self.pods = [
            Pod(
                host,
                images.reference("REDIS"),
                self.network,
                containers={"redis": "millrace-redis", "sentinel": "millrace-sentinel"},
                mounts=mounts,
                ports=self.ports[host],
                memory_bytes=_MEMORY_BYTES,
            )
            for host in _NODES
        ]
        self.limiter: Container | None = None

    def _server_secrets(self, path: Path, authority: certificates.Pair) -> Path:
        files.folder(path)
        leaf = certificates.make_leaf(authority, (*_NODES, "localhost", "127.0.0.1"))
        files.write(path / "ca.crt", authority.certificate)
        files.write(path / "tls.crt", leaf.certificate)
        files.write(path / "tls.key", leaf.key)
        files.write(path / "users.acl", users_acl(self.passwords))
        files.write(path / "sentinel.acl", sentinel.sentinel_acl(self.passwords))
        for role in (Role.REPLICA, Role.SENTINEL, Role.PROBE):
            files.write(path / f"{role}_password", self.passwords[role])
        return path

    def _config(self, path: Path) -> Path:
        files.folder(path, files.PUBLIC_FOLDER)
        files.write(path / "redis.conf", redis_conf(_MEMORY_BYTES, "sentinel"), files.PUBLIC_FILE)
        files.write(path / "sentinel.conf", sentinel.sentinel_conf(_NODES), files.PUBLIC_FILE)
        files.write(path / "nodes", sentinel.nodes_file(_NODES), files.PUBLIC_FILE)
        return path

    def _gateway_secrets(self, path: Path, authority: certificates.Pair) -> Path:
        files.folder(path)
        files.write(path / "ca.crt", authority.certificate)
        files.write(path / "redis_password", self.passwords[Role.GATEWAY])
        return path

    def start_limiter(self) -> None:
        """A gateway's limiter that knows nothing but the sentinels."""
        self.limiter = self._client.containers.run(
            images.reference("APP"),
            entrypoint=["python", "-c", _LIMITER],
            network=self.network.name,
            environment={"MILLRACE_REDIS_SENTINELS": ",".join(_NODES), "MILLRACE_REDIS_HOST": "nowhere.invalid"},
            volumes=[f"{self.gateway_secrets}:/run/secrets/millrace:ro"],
            labels=cleanup.labels(),
            detach=True,
        )

    def counted_by(self) -> str:
        """Who counted the last request: `global` is Redis, `local` the gateway alone."""
        assert self.limiter is not None
        self.limiter.reload()
        lines = self.limiter.logs(tail=1, stderr=False).decode().splitlines()
        assert self.limiter.status == "running", self.limiter.logs(tail=20).decode()
        return lines[-1] if lines else ""

    def session(self, pod: Pod, role: Role = Role.OPERATOR, port: int = contract.PORT_REDIS) -> redis.Redis:
        """A session of a role on one pod, over verified TLS."""
        return redis.Redis(
            host="127.0.0.1",
            port=self.ports[pod.host][port],
            username=str(role),
            password=self.passwords[role],
            ssl=True,
            ssl_ca_certs=str(self.ca_file),
            socket_timeout=5,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )

    def ask(self, pod: Pod, *words: Any, role: Role = Role.OPERATOR, port: int = contract.PORT_REDIS) -> Any:
        """One command."""
        with self.session(pod, role, port) as session:
            return session.execute_command(*words)

    def replication(self, pod: Pod) -> dict[str, Any]:
        """`INFO replication`."""
        answer: dict[str, Any] = self.ask(pod, "INFO", "replication")
        return answer

    def primary(self, *, followers: int = 2, within: float = _FAILOVER_SECONDS) -> Pod:
        """Wait for one primary that the sentinels agree on, with its followers in step; returns it."""

        def settled() -> Pod | None:
            running = [pod for pod in self.pods if "redis" in pod.containers and self._runs(pod)]
            primaries = [pod for pod in running if self.replication(pod)["role"] == "master"]
            if len(primaries) != 1:
                raise LookupError(f"primaries: {[pod.name for pod in primaries]}")
            (found,) = primaries
            if self.replication(found)["connected_slaves"] != followers:
                raise LookupError(f"{found.name}: {self.replication(found)}")
            for pod in running:
                said = self.ask(
                    pod, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", contract.REDIS_SERVICE, port=contract.PORT_SENTINEL
                )
                if said[0] != found.host:
                    raise LookupError(f"{pod.name}'s sentinel says {said}")
                if pod is not found and self.replication(pod)["master_link_status"] != "up":
                    raise LookupError(f"{pod.name} is not in step")
                # A sentinel asks the primary every 10 s who follows it; a replica that it does not know yet when the
                # primary dies is not told of the next one, and waits for the dead one for ever.
                answer = self.ask(pod, "SENTINEL", "REPLICAS", contract.REDIS_SERVICE, port=contract.PORT_SENTINEL)
                others = [other.host for other in running if other is not found]
                if strangers := [host for host in others if host not in str(answer)]:
                    raise LookupError(f"{pod.name}'s sentinel does not know {strangers}")
            return found

        try:
            return eventually(
                settled, within=within, what="one primary with its followers", every=0.3,
                tolerate=(LookupError, redis.RedisError, OSError),
            )  # fmt: skip
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(pod.logs() for pod in self.pods)) from None

    def _runs(self, pod: Pod) -> bool:
        pod.containers["redis"].reload()
        return bool(pod.containers["redis"].status == "running")

    def heal(self) -> None:
        """Start what a test that failed left dead: it must not be every later test's failure too."""
        for pod in self.pods:
            if not pod.containers:
                pod.start()
            elif not self._runs(pod):
                pod.containers["redis"].start()

    def close(self) -> None:
        """Remove all of it."""
        if self.limiter is not None:
            self.limiter.remove(force=True)
        for pod in self.pods:
            pod.remove()
        self.network.remove()


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
    eventually(lambda: _redis.counted_by() == "global", within=_FAILOVER_SECONDS, what="Redis counts")
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
    old = sentinels.primary()
    old.containers["redis"].kill("SIGKILL")
    eventually(lambda: sentinels.counted_by() == "local", within=30, what="the limiter fails open", every=0.02)
    new = sentinels.primary(followers=1)
    eventually(lambda: sentinels.counted_by() == "global", within=30, what="writes go to the new primary")
    assert new is not old
    sentinels.ask(new, "SET", "millrace:after", "failover")
    old.containers["redis"].start()
    assert sentinels.primary() is new
    assert sentinels.ask(old, "GET", "millrace:after") == "failover"


def test_hand_over_before_a_stop(sentinels: Redis) -> None:
    """What runs before a pod stops makes another one primary first, and does nothing on a replica."""
    old = sentinels.primary()
    replica = next(pod for pod in sentinels.pods if pod is not old)
    assert replica.execute("redis", "millrace-hand-over")[0] == 0
    assert sentinels.primary() is old
    assert old.execute("redis", "millrace-hand-over")[0] == 0
    # It waits for 10 s at most, so that a pod stops in time; on a slow machine the vote may take longer.
    eventually(lambda: sentinels.primary() is not old, within=_FAILOVER_SECONDS, what="another one is the primary")
    eventually(lambda: sentinels.counted_by() == "global", within=30, what="Redis counts")


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
        assert session.execute_command("WAITAOF", 1, 1, 5000) == [1, 1]
    for pod in sentinels.pods[1:]:
        pod.lose()
    for pod in sentinels.pods:
        pod.start()
    after = sentinels.primary(within=120)
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
        assert session.execute_command("WAITAOF", 1, 2, 5000) == [1, 2]
    for pod in sentinels.pods:
        pod.lose()
    others = [pod for pod in sentinels.pods if pod is not old]
    for pod in others:
        pod.start()
    new = sentinels.primary(followers=1, within=120)
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

        eventually(refused, within=30, what="writes are refused", tolerate=(pytest.fail.Exception,))
    eventually(lambda: sentinels.counted_by() == "local", within=30, what="the limiter fails open")
    for pod in others:
        pod.containers["redis"].start()
    eventually(lambda: sentinels.counted_by() == "global", within=60, what="Redis counts again")


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
                for number in range(len(written), len(written) + 2 * _MEMORY_BYTES // size_bytes):
                    worker.set(f"celery-task-meta-{number}", b"x" * size_bytes)
                    written.append(f"celery-task-meta-{number}")

        fill(_MIB)
        assert len(written) < _MEMORY_BYTES // _MIB, "more was taken than there is"

        def full_for_the_limiter() -> bool:
            # The buffer of a value that was refused is given back: then smaller ones fit again, as the limiter's do.
            for size_bytes in (64 * 1024, 4 * 1024, 256, 16):
                fill(size_bytes)
            return sentinels.counted_by() == "local"

        eventually(full_for_the_limiter, within=30, what="the limiter fails open")
        statistics = sentinels.ask(primary, "INFO", "stats")
        assert statistics["evicted_keys"] == 0
        assert sentinels.ask(primary, "EXISTS", "millrace:oldest", *written) == len(written) + 1
        worker.delete(*written)
    eventually(lambda: sentinels.counted_by() == "global", within=60, what="Redis counts again")
    assert sentinels.primary() is primary, "nobody died of it"


def _make_primary(sentinels: Redis, wanted: Pod) -> None:
    """Have the sentinels choose this pod: of replicas in step they take the one of the lowest priority number."""
    if sentinels.primary() is wanted:
        return
    sentinels.ask(wanted, "CONFIG", "SET", "replica-priority", 1)

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

    eventually(
        known,
        within=_FAILOVER_SECONDS,
        what=f"the sentinels know the priority of {wanted.name}",
        tolerate=(LookupError,),
    )
    eventually(chosen, within=3 * _FAILOVER_SECONDS, what=f"{wanted.name} is the primary", every=1)
    sentinels.ask(wanted, "CONFIG", "SET", "replica-priority", 100)
