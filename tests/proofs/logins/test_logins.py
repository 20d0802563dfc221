"""`python -m app logins` on real servers: PostgreSQL whose administrator is no superuser, RabbitMQ over HTTPS.

RDS and Amazon MQ themselves are not here: docs/aws.md says what that leaves open.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from app import contract
from app.contract import Role
from app.errors import LoginsRefusedError, NotReadyError
from app.logins import import_definitions, make_roles
from app.settings import Settings
from infra.authority import authority
from infra.local import secrets
from infra.servers.capacity import Fleet, Workers, broker_limits
from infra.servers.postgresql import managed_roles_sql
from infra.servers.rabbitmq.definitions import users_file, vhost_file
from tests.harness import cleanup, images
from tests.harness.stack import Stack
from tests.harness.waiting import PATIENCE_SECONDS

ADMIN, ADMIN_PASSWORD = "managed-admin", "of-the-administrator-alone"
FLEET = Fleet(gateways=1, relays=1, queues=3, workers=(Workers(pods=1, children=4),))
KEDA_PASSWORD = f"{Role.KEDA}-{'x' * 40}"
#: A cluster of its own in a container: an administrator as RDS has one, and our statements twice, as it would run them.
SERVER = r"""
set -e
initdb --pgdata="$HOME/managed" --username=postgres --auth=trust >/dev/null
pg_ctl --pgdata="$HOME/managed" --options="-k /tmp -c listen_addresses=" --wait start >/dev/null
export PGHOST=/tmp PGDATABASE=millrace
psql --quiet --username=postgres --dbname=postgres --command="CREATE ROLE millrace_admin LOGIN CREATEROLE CREATEDB" \
    --command="CREATE DATABASE millrace OWNER millrace_admin"
for turn in 1 2; do
    psql --quiet --set=ON_ERROR_STOP=1 --username=millrace_admin --file=/roles.sql
done
psql --quiet --set=ON_ERROR_STOP=1 --username=owner --command="CREATE TABLE ours (item int)"
for role in gateway backup; do
    psql --quiet --username="$role" --command="SELECT 1 FROM public.ours" 2>&1 | grep -c "permission denied" >&2
done
psql --quiet --username=worker_b --command="SELECT 1" 2>&1 | grep -c "not permitted to log in" >&2
psql --quiet --username=postgres --tuples-only --no-align \
    --command="SELECT rolname FROM pg_roles WHERE rolconnlimit = 7 AND rolcanlogin ORDER BY 1"
"""


class ServerRefusedError(Exception):
    """What PostgreSQL said."""


def _roles() -> str:
    passwords = {role: {str(role): "x" * 43} for role in contract.POSTGRESQL_ROLES}
    return managed_roles_sql(passwords, dict.fromkeys(contract.POSTGRESQL_ROLES, 7))


def _run(statements: str, folder: Path) -> str:
    file = folder / "roles.sql"
    file.write_text(statements)
    container = docker.from_env().containers.run(
        images.reference("POSTGRESQL"),
        ["-c", SERVER],
        entrypoint="bash",
        volumes={str(file): {"bind": "/roles.sql", "mode": "ro"}},
        labels=cleanup.labels(),
        network_disabled=True,
        environment={"HOME": "/var/lib/postgresql"},
        detach=True,
    )
    try:
        code = container.wait(timeout=PATIENCE_SECONDS)["StatusCode"]
        said = str(container.logs(stdout=False).decode())
        if code:
            raise ServerRefusedError(said)
        return str(container.logs(stderr=False).decode())
    finally:
        container.remove(v=True, force=True)


def test_who_is_no_superuser_makes_the_roles(tmp_path: Path) -> None:
    """Twice; the owner owns, the others may connect and no more, the second logins may not log in."""
    assert _run(_roles(), tmp_path).split() == sorted(map(str, contract.POSTGRESQL_ROLES))


@pytest.mark.parametrize("planted", ["ALTER ROLE gateway NOSUPERUSER;", "GRANT pg_read_all_data TO backup;"])
def test_what_only_a_superuser_may_is_seen(planted: str, tmp_path: Path) -> None:
    """Planted: statements of the server that we run ourselves."""
    with pytest.raises(ServerRefusedError, match=r"permission denied to (alter|grant) role"):
        _run(_roles().replace("COMMIT;", f"{planted}\nCOMMIT;"), tmp_path)


@pytest.fixture
def settings(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """What the Job finds in its folder of secrets, and where the servers are."""
    (tmp_path / "aws.crt").write_bytes(stack.ca_file.read_bytes())
    (tmp_path / "definitions").mkdir()
    monkeypatch.setenv("MILLRACE_SECRETS_DIR", str(tmp_path))
    [node] = stack.nodes
    common: dict[str, Any] = {
        "postgresql_host": "localhost",
        "postgresql_port": stack.port("postgresql", contract.PORT_POSTGRESQL),
        "postgresql_ca": "aws.crt",
        "rabbitmq_host": "localhost",
        "rabbitmq_management_port": stack.port(node, contract.PORT_RABBITMQ_MANAGEMENT),
        "rabbitmq_ca": "aws.crt",
        "rabbitmq_user": ADMIN,
        "rabbitmq_password": ADMIN_PASSWORD,
    }
    return lambda **given: Settings(**common | given)


@pytest.fixture
def administrator(stack: Stack) -> Iterator[None]:
    """The one user that Amazon MQ makes."""
    node = stack.machines[stack.nodes[0]]
    node.execute("rabbitmqctl", "add_user", ADMIN, ADMIN_PASSWORD)
    node.execute("rabbitmqctl", "set_user_tags", ADMIN, "administrator")
    yield
    node.execute("rabbitmqctl", "delete_user", ADMIN)


def _whoami(stack: Stack) -> int:
    answer = httpx.get(
        f"https://localhost:{stack.port(stack.nodes[0], contract.PORT_RABBITMQ_MANAGEMENT)}/api/whoami",
        auth=(str(Role.KEDA), KEDA_PASSWORD),
        verify=ssl.create_default_context(cafile=str(stack.ca_file)),
        trust_env=False,
        timeout=60,
    )
    return answer.status_code


@pytest.mark.usefixtures("administrator")
def test_definitions_are_imported(stack: Stack, settings: Callable[..., Settings], tmp_path: Path) -> None:
    """Who is in them logs in with its password, and the queues are as they were. Twice is as good as once."""
    everyone = {**secrets.passwords(stack.state, "rabbitmq"), Role.KEDA: {str(Role.KEDA): KEDA_PASSWORD}}
    assert _whoami(stack) == httpx.codes.UNAUTHORIZED
    (tmp_path / "definitions" / "10-vhost.json").write_text(vhost_file(contract.queues()))
    (tmp_path / "definitions" / "20-users.json").write_text(
        users_file(everyone, contract.queues(), broker_limits(FLEET))
    )
    for _ in range(2):
        import_definitions(settings())
    assert _whoami(stack) == httpx.codes.OK
    assert {queue["name"] for queue in stack.broker.ask("GET", f"/api/queues/{contract.VHOST}")} >= {
        queue.name for queue in contract.queues()
    }


@pytest.mark.usefixtures("administrator")
def test_what_the_broker_does_not_take_is_said(settings: Callable[..., Settings], tmp_path: Path) -> None:
    """The file, the answer, and what it may be; and whoever is no administrator may import nothing."""
    file = tmp_path / "definitions" / "10-vhost.json"
    file.write_text(json.dumps({"policies": [{"vhost": "nowhere"}]}))
    with pytest.raises(LoginsRefusedError, match=r"10-vhost\.json: 400"):
        import_definitions(settings())
    with pytest.raises(LoginsRefusedError, match=r"10-vhost\.json: 401"):
        import_definitions(settings(rabbitmq_password="another"))


def test_a_broker_that_is_away_or_of_another_authority_is_no_broker(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """The Job tries again; nothing was sent."""
    (tmp_path / "definitions" / "10-vhost.json").write_text("{}")
    (tmp_path / "aws.crt").write_bytes(authority("another", "another").certificate)
    with pytest.raises(NotReadyError, match="CERTIFICATE_VERIFY_FAILED"):
        import_definitions(settings())


def test_statements_run_as_one(stack: Stack, settings: Callable[..., Settings], tmp_path: Path) -> None:
    """Over TLS with the server's name checked; and one that is refused changes nothing."""
    owner = {"postgresql_user": "owner", "postgresql_password": stack.password(Role.OWNER, "postgresql")}
    roles = tmp_path / "roles.sql"
    roles.write_text("BEGIN; CREATE TABLE logins_proof (item int); COMMIT;")
    make_roles(settings(**owner))
    roles.write_text("BEGIN; DROP TABLE logins_proof; CREATE ROLE another; COMMIT;")
    with pytest.raises(LoginsRefusedError, match="permission denied to create role"):
        make_roles(settings(**owner))
    roles.write_text("BEGIN; DROP TABLE logins_proof; COMMIT;")
    make_roles(settings(**owner))
    with pytest.raises(NotReadyError, match="password authentication failed"):
        make_roles(settings(**{**owner, "postgresql_password": "another"}))
