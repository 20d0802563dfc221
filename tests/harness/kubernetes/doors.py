"""Every port that a pod of ours may open, and how one that speaks no TLS would begin to talk to it."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from app import contract
from infra import naming
from infra.connections import PORT_CNPG_METRICS, PORT_CNPG_STATUS
from infra.settings.backends import CloudNativePG
from infra.settings.stack import Stack
from tests.harness.kubernetes.kubectl import Kubectl
from tests.harness.tls import answers_tls

#: Erlang's port mapper knows no TLS; policies confine it to the nodes.
WITHOUT_TLS = frozenset({contract.PORT_EPMD})

_HTTP = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_PARAMETERS = b"user\0operator\0database\0millrace\0\0"
#: PostgreSQL's first packet, without a word of TLS before it.
_STARTUP = struct.pack("!ii", 8 + len(_PARAMETERS), 0x00030000) + _PARAMETERS
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_WORDS = {
    contract.PORT_AMQPS: b"AMQP\x00\x00\x09\x01",
    contract.PORT_REDIS: b"PING\r\n",
    contract.PORT_SENTINEL: b"PING\r\n",
    contract.PORT_POSTGRESQL: _STARTUP,
    # A node's name, as Erlang's distribution begins.
    contract.PORT_ERLANG_DISTRIBUTION: b"\x00\x15N\x00\x00\x00\x0d\xf7\xdf\x7f\xbd\x00\x00\x00\x01\x00\x06a@b.cd",
}
_TLS_ALERT = 0x15
_SAYS_NO = (b"HTTP/1.0 400", b"HTTP/1.1 400")
#: PostgreSQL's and PgBouncer's refusals: an error, and why.
_NEEDS_TLS = re.compile(rb"\AE.*(no encryption|SSL required)", re.DOTALL)
_FORWARDING = re.compile(r"127\.0\.0\.1:(\d+) ->")


def ports_of(stack: Stack) -> dict[str, frozenset[int]]:
    """For each kind of pod that stays."""
    workers = [naming.worker(pool.name) for pool in stack.workloads.pools]
    measured = (naming.RELAY, *workers, naming.ARCHIVER, naming.BEAT)
    redis = {contract.PORT_REDIS, *([contract.PORT_SENTINEL] if stack.result_backend.topology == "sentinel" else [])}
    cnpg = {PORT_CNPG_STATUS, PORT_CNPG_METRICS} if isinstance(stack.database, CloudNativePG) else set()
    rabbitmq = {
        contract.PORT_AMQPS,
        contract.PORT_RABBITMQ_MANAGEMENT,
        contract.PORT_RABBITMQ_METRICS,
        contract.PORT_EPMD,
        contract.PORT_ERLANG_DISTRIBUTION,
    }
    return {
        naming.GATEWAY: frozenset({contract.PORT_GATEWAY}),
        **{name: frozenset({contract.PORT_METRICS}) for name in measured},
        naming.FLOWER: frozenset({contract.PORT_FLOWER}),
        naming.RABBITMQ: frozenset(rabbitmq),
        naming.REDIS: frozenset(redis),
        naming.POSTGRESQL: frozenset({contract.PORT_POSTGRESQL, *cnpg}),
        naming.PGBOUNCER: frozenset({contract.PORT_POSTGRESQL}),
        naming.OBJECT_STORE: frozenset({contract.PORT_OBJECT_STORE}),
    }


def words_for(port: int) -> bytes:
    """What a client without TLS would say first."""
    return _WORDS.get(port, _HTTP)


def refuses(answer: bytes) -> bool:
    """Whether this answer to plain text is silence, a TLS alert, or a plain no."""
    return not answer or answer[0] == _TLS_ALERT or answer.startswith(_SAYS_NO) or bool(_NEEDS_TLS.match(answer))


def speaks_tls(port: int, local: int, ca_file: Path, host: str) -> bool:
    """Whether a handshake succeeds, with a certificate of our CA; PostgreSQL's begins after a question.

    That of PostgreSQL's protocol must be for `host`, the name that its clients use; the others' for localhost, which
    a pod calls itself when it asks whether it is well.

    Raises:
        OSError: it does not.
    """
    if port != contract.PORT_POSTGRESQL:
        return answers_tls(local, ca_file)
    context = ssl.create_default_context(cafile=str(ca_file))
    with socket.create_connection(("127.0.0.1", local), timeout=10) as plain:
        plain.sendall(_SSL_REQUEST)
        if plain.recv(1) != b"S":
            return False
        with context.wrap_socket(plain, server_hostname=host):
            return True


@contextmanager
def forwarded(kubectl: Kubectl, namespace: str, pod: str, port: int) -> Iterator[int]:
    """A port of a pod as one of this machine's.

    One for each use: kubectl gives up the whole tunnel when the far side resets one connection of it.
    """
    words = kubectl.words("port-forward", "--namespace", namespace, f"pod/{pod}", f":{port}")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            yield _local(process.stdout)
        finally:
            process.kill()


def _local(said: IO[str]) -> int:
    lines: list[str] = []
    for line in said:
        lines.append(line)
        if found := _FORWARDING.search(line):
            return int(found[1])
    raise AssertionError(f"no tunnel: {''.join(lines)}")
