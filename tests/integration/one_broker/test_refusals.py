"""Nothing answers without TLS or without credentials, and nobody may do more than his role."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from functools import partial

import amqp
import httpx
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app import contract
from app.contract import Role
from infra.local import settings_files
from tests.harness.messages import channel
from tests.harness.stack import Stack
from tests.harness.tls import answers_tls, plain_answer
from tests.harness.waiting import eventually

_HTTP = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_WRONG = "wrong"  # a password
_TLS_ALERT = 0x15

#: Service, port inside, what a client would say first.
DOORS = [
    ("gateway", contract.PORT_GATEWAY, _HTTP),
    ("relay-1", contract.PORT_METRICS, _HTTP),
    ("worker-interactive", contract.PORT_METRICS, _HTTP),
    ("archiver", contract.PORT_METRICS, _HTTP),
    ("rabbitmq-1", contract.PORT_AMQPS, b"AMQP\x00\x00\x09\x01"),
    ("rabbitmq-1", contract.PORT_RABBITMQ_MANAGEMENT, _HTTP),
    ("rabbitmq-1", contract.PORT_RABBITMQ_METRICS, _HTTP),
    ("redis", contract.PORT_REDIS, b"PING\r\n"),
    ("objectstore", contract.PORT_OBJECT_STORE, _HTTP),
    ("flower", contract.PORT_FLOWER, _HTTP),
    ("prometheus", contract.PORT_PROMETHEUS, _HTTP),
]


@pytest.fixture(scope="module")
def doors(_single: Stack) -> Iterator[Stack]:
    """The stack with Flower and Prometheus."""
    _single.heal()
    settings_files.write_settings(_single.state, _single.version)
    for name, port in (("flower", contract.PORT_FLOWER), ("prometheus", contract.PORT_PROMETHEUS)):
        _single.replace(name, environment={})
        answers = partial(answers_tls, _single.port(name, port), _single.ca_file)
        eventually(answers, what=f"{name} answers", tolerate=(OSError,))
    yield _single
    _single.remove("flower", "prometheus")


def _client(stack: Stack, name: str, port: int, **options: object) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(stack.ca_file))
    url = f"https://127.0.0.1:{stack.port(name, port)}"
    return httpx.Client(base_url=url, verify=context, timeout=60, trust_env=False, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "port", "words"), DOORS)
def test_plain_text_is_refused(doors: Stack, name: str, port: int, words: bytes) -> None:
    """Who speaks without TLS gets no answer, a TLS alert, or a 400; with TLS the same port answers."""
    answer = plain_answer(doors.port(name, port), words)
    assert not answer or answer[0] == _TLS_ALERT or answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400")), answer


@pytest.mark.parametrize("role", contract.POSTGRESQL_ROLES)
@pytest.mark.parametrize("how", ["plain text", "no password", "wrong password"])
def test_postgresql_refuses(doors: Stack, role: Role, how: str) -> None:
    """PostgreSQL lets nobody in without TLS, without a password, or with a wrong one."""
    password = {"plain text": doors.password(role, "postgresql"), "no password": None, "wrong password": _WRONG}[how]
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba|no password|authentication failed"):
        psycopg.connect(
            host="127.0.0.1",
            port=doors.port("postgresql", contract.PORT_POSTGRESQL),
            dbname=contract.POSTGRESQL_DATABASE,
            user=str(role),
            password=password,
            sslmode="disable" if how == "plain text" else "verify-full",
            sslrootcert=str(doors.ca_file),
            passfile="/nonexistent",
            connect_timeout=60,
        )


@pytest.mark.parametrize(("user", "password"), [(None, None), ("default", ""), ("gateway", _WRONG), ("guest", "guest")])
def test_redis_refuses(doors: Stack, user: str | None, password: str | None) -> None:
    """Redis does nothing for a client without a user and his password."""
    with (
        redis.Redis(
            host="127.0.0.1", port=doors.port("redis", contract.PORT_REDIS), username=user, password=password,
            ssl=True, ssl_ca_certs=str(doors.ca_file), socket_timeout=60, retry=Retry(NoBackoff(), 0),
        ) as session,
        pytest.raises(redis.RedisError, match=r"(?i)authenticat|WRONGPASS|password"),
    ):  # fmt: skip
        session.get("millrace:anything")


@pytest.mark.parametrize(("user", "password"), [("guest", "guest"), ("worker", _WRONG), ("operator", "")])
def test_rabbitmq_refuses(doors: Stack, user: str, password: str) -> None:
    """RabbitMQ refuses unknown users and wrong passwords, over AMQP and over the management API."""
    with pytest.raises((amqp.AccessRefused, OSError)), channel(doors, user, password=password):
        pass
    with _client(doors, "rabbitmq-1", contract.PORT_RABBITMQ_MANAGEMENT, auth=(user, password)) as client:
        assert client.get("/api/overview").status_code == httpx.codes.UNAUTHORIZED


@pytest.mark.parametrize(
    ("name", "port", "path"),
    [
        ("rabbitmq-1", contract.PORT_RABBITMQ_MANAGEMENT, "/api/overview"),
        ("rabbitmq-1", contract.PORT_RABBITMQ_METRICS, "/metrics"),
        ("gateway", contract.PORT_GATEWAY, "/metrics"),
        ("gateway", contract.PORT_GATEWAY, "/v1/jobs/00000000-0000-7000-8000-000000000000"),
        *(
            ("flower", contract.PORT_FLOWER, path)
            for path in ("/workers", "/metrics", "/healthcheck", "/login", "/none")
        ),
        ("prometheus", contract.PORT_PROMETHEUS, "/api/v1/query?query=up"),
    ],
)
def test_http_without_credentials_is_refused(doors: Stack, name: str, port: int, path: str) -> None:
    """BR-10: each HTTP server answers 401 to a request without credentials, and to one with wrong ones."""
    with _client(doors, name, port) as client:
        assert client.get(path).status_code == httpx.codes.UNAUTHORIZED
        assert client.get(path, auth=("operator", _WRONG)).status_code == httpx.codes.UNAUTHORIZED


@pytest.mark.parametrize("name", ["relay-1", "worker-interactive", "worker-bulk", "archiver"])
def test_metrics_need_a_client_certificate(doors: Stack, name: str) -> None:
    """Metrics of our processes are for who holds a certificate of the CA, and for nobody else."""
    with _client(doors, name, contract.PORT_METRICS) as client, pytest.raises(httpx.HTTPError):
        client.get("/metrics")
    with doors.metrics_client(name) as client:
        assert client.get("/metrics").status_code == httpx.codes.OK


@pytest.mark.parametrize(
    ("role", "forbidden"),
    [
        (Role.RELAY, "read a queue"),
        (Role.RELAY, "declare a queue"),
        (Role.RELAY, "publish a death"),
        (Role.WORKER, "publish a death"),
        (Role.WORKER, "read a dead letter"),
        (Role.WORKER, "declare a queue"),
        (Role.WORKER, "delete a queue"),
        (Role.ARCHIVER, "publish a task"),
        (Role.ARCHIVER, "read a queue"),
        (Role.FLOWER, "publish a task"),
        (Role.FLOWER, "read a queue"),
    ],
)
def test_rabbitmq_roles_may_no_more_than_they_must(doors: Stack, role: Role, forbidden: str) -> None:
    """Each role is refused what is not its work."""
    message = amqp.Message(b"{}")
    with channel(doors, role) as opened, pytest.raises(amqp.AccessRefused):  # noqa: PT012 - one of them runs
        match forbidden:
            case "read a queue":
                opened.basic_get("interactive")
            case "read a dead letter":
                opened.basic_get("interactive.dead")
            case "declare a queue":
                opened.queue_declare("mine", durable=True, auto_delete=False)
            case "delete a queue":
                opened.queue_delete("interactive")
            case "publish a death":
                opened.confirm_select()
                opened.basic_publish_confirm(
                    message, exchange=contract.DEAD_LETTER_EXCHANGE, routing_key="interactive.dead"
                )
            case "publish a task":
                opened.confirm_select()
                opened.basic_publish_confirm(message, exchange=contract.TASKS_EXCHANGE, routing_key="interactive")


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (Role.GATEWAY, "SELECT 1 FROM events"),
        (Role.GATEWAY, "DELETE FROM outbox_pending"),
        (Role.RELAY, "INSERT INTO inbox (dedupe_key, attempts) VALUES (gen_random_uuid(), 1)"),
        (Role.WORKER, "DELETE FROM events"),
        (Role.WORKER, "UPDATE inbox SET attempts = 0"),
        (Role.ARCHIVER, "DELETE FROM dead_letters"),
        (Role.OPERATOR, "DELETE FROM dead_letter_actions"),
        (Role.AUDITOR, "UPDATE accounts SET balance = 0"),
        (Role.AUDITOR, "CREATE TABLE mine (x int)"),
    ],
)
def test_postgresql_roles_may_no_more_than_they_must(doors: Stack, role: Role, statement: str) -> None:
    """Each role is refused what is not its work."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        doors.query(statement, role=role)
