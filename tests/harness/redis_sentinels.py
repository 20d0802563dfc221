"""Three Redis with Sentinel, as a StatefulSet runs them, and a gateway's limiter that uses them."""

from __future__ import annotations

import secrets as random
from pathlib import Path
from typing import Any

import docker
import redis
from docker.models.containers import Container
from redis.backoff import NoBackoff
from redis.retry import Retry

from app import contract
from app.contract import Role
from infra.authority import Pair
from infra.local import certificates, files
from infra.servers import sentinel
from infra.servers.redis import RULES, users_acl
from infra.servers.redis_conf import redis_conf
from tests.harness import cleanup, images
from tests.harness.pods import Pod
from tests.harness.ports import free_port
from tests.harness.waiting import PATIENCE_SECONDS, eventually

_NODES = sentinel.node_names(3, "redis-nodes", "millrace-data")
MEMORY_BYTES = 64 * 1024 * 1024
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
#: A worker's result backend: a result, and a chord of two parts whose body nobody takes.
_RESULTS = """
import sys
from celery.app.task import Context
from app.brokers.celery_app import celery_app

name, backend = sys.argv[1], celery_app.backend
backend.store_result(name, 7, "SUCCESS")
backend.set_chord_size(name, 3)
for number in (1, 2, 2):
    part = Context(id=f"{name}-{number}", group=name, group_index=number, chord={})
    backend.on_chord_part_return(part, "SUCCESS", number)
parts = backend.client.zcount
print(backend.get_result(name), parts(backend.get_key_for_group(name, ".j"), "-inf", "+inf"))
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
        self._secrets = {
            role: self._client_secrets(folder / role, authority, role) for role in (Role.GATEWAY, Role.WORKER)
        }
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
                memory_bytes=MEMORY_BYTES,
            )
            for host in _NODES
        ]
        self.limiter: Container | None = None

    def _server_secrets(self, path: Path, authority: Pair) -> Path:
        files.folder(path)
        leaf = certificates.make_leaf(authority, (*_NODES, "localhost", "127.0.0.1"))
        files.write(path / "ca.crt", authority.certificate)
        files.write(path / "tls.crt", leaf.certificate)
        files.write(path / "tls.key", leaf.key)
        accepted = {role: {str(role): password} for role, password in self.passwords.items()}
        files.write(path / "users.acl", users_acl(accepted))
        files.write(path / "sentinel.acl", sentinel.sentinel_acl(accepted))
        for role in (Role.REPLICA, Role.SENTINEL, Role.PROBE):
            files.write(path / f"{role}_password", self.passwords[role])
        return path

    def _config(self, path: Path) -> Path:
        files.folder(path, files.PUBLIC_FOLDER)
        files.write(path / "redis.conf", redis_conf(MEMORY_BYTES, 1000, "sentinel"), files.PUBLIC_FILE)
        files.write(path / "sentinel.conf", sentinel.sentinel_conf(_NODES), files.PUBLIC_FILE)
        files.write(path / "nodes", sentinel.nodes_file(_NODES), files.PUBLIC_FILE)
        return path

    def _client_secrets(self, path: Path, authority: Pair, role: Role) -> Path:
        files.folder(path)
        files.write(path / "ca.crt", authority.certificate)
        files.write(path / "redis_password", self.passwords[role])
        return path

    def start_limiter(self) -> None:
        """A gateway's limiter that knows nothing but the sentinels."""
        self.limiter = self._run(Role.GATEWAY, _LIMITER, detach=True)

    def keep_results(self, name: str) -> str:
        """A worker stores a result and counts parts of a chord, one of them twice; returns the result and the count."""
        output: bytes = self._run(Role.WORKER, _RESULTS, name, remove=True)
        return output.decode().splitlines()[-1]

    def _run(self, role: Role, script: str, *words: str, **options: Any) -> Any:
        return self._client.containers.run(
            images.reference("APP"),
            entrypoint=["python", "-c", script, *words],
            network=self.network.name,
            environment={
                "MILLRACE_REDIS_SENTINELS": ",".join(_NODES),
                "MILLRACE_REDIS_HOST": "nowhere.invalid",
                "MILLRACE_REDIS_USER": str(role),
            },
            volumes=[f"{self._secrets[role]}:/run/secrets/millrace:ro"],
            labels=cleanup.labels(),
            **options,
        )

    def counted_by(self) -> str:
        """Who counted the last request: `global` is Redis, `local` the gateway alone."""
        return (self.counts() or [""])[-1]

    def counts(self) -> list[str]:
        """Who counted each request so far."""
        assert self.limiter is not None
        self.limiter.reload()
        assert self.limiter.status == "running", self.limiter.logs(tail=20).decode()
        return self.limiter.logs(stderr=False).decode().splitlines()

    def session(self, pod: Pod, role: Role = Role.OPERATOR, port: int = contract.PORT_REDIS) -> redis.Redis:
        """A session of a role on one pod, over verified TLS."""
        return redis.Redis(
            host="127.0.0.1",
            port=self.ports[pod.host][port],
            username=str(role),
            password=self.passwords[role],
            ssl=True,
            ssl_ca_certs=str(self.ca_file),
            socket_timeout=60,
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

    def primary(self, *, followers: int = 2, within: float = PATIENCE_SECONDS) -> Pod:
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
            self.limiter.remove(force=True, v=True)
        for pod in self.pods:
            pod.remove()
        assert self.network.name is not None
        cleanup.remove_network(self.network.name)
