"""Creates our roles and their logins on a managed server (RDS, Amazon MQ). A Job runs this before any process logs in.

Our own servers create them when they start. The rights come in files beside the administrator's password, as
`infra` writes them: statements of SQL for PostgreSQL, definitions for RabbitMQ. Both may run again, under load.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import psycopg
import tenacity

from app.errors import LoginsRefusedError, NotReadyError
from app.settings import Settings, secrets_dir
from app.storage.engine import connect_arguments

#: In the folder of secrets.
ROLES_FILE = "roles.sql"
DEFINITIONS_FOLDER = "definitions"
_TIMEOUT_SECONDS = 30.0
_SHOWN_CHARACTERS = 200


def make_roles(settings: Settings) -> None:
    """PostgreSQL's roles, in one transaction.

    Raises:
        NotReadyError: it does not answer, or does not take the administrator's password.
        LoginsRefusedError: it refuses a statement; nothing was changed.
    """
    statements = (secrets_dir() / ROLES_FILE).read_bytes()
    try:
        with psycopg.connect(**connect_arguments(settings), autocommit=True) as connection:
            try:
                connection.execute(statements)
            except psycopg.OperationalError:
                raise
            except psycopg.Error as error:  # its whole text quotes the statement, and with it a password's hash
                raise LoginsRefusedError(f"PostgreSQL: {error.diag.message_primary}") from None
    except psycopg.OperationalError as error:
        raise NotReadyError(f"PostgreSQL: {error}") from error


def import_definitions(settings: Settings) -> None:
    """RabbitMQ's vhost, policies, users and permissions, over its management API, a file after the other.

    Raises:
        NotReadyError: it does not answer.
        LoginsRefusedError: it refuses a file. The files before it are imported.
    """
    for file in sorted((secrets_dir() / DEFINITIONS_FOLDER).glob("*.json")):
        try:
            answer = _sent(settings, file)
        except httpx.TransportError as error:
            raise NotReadyError(f"RabbitMQ's management API: {error}") from error
        if answer.is_server_error:
            raise NotReadyError(f"RabbitMQ's management API: {answer.status_code}")
        if answer.is_error:
            said = answer.text[:_SHOWN_CHARACTERS]
            raise LoginsRefusedError(f"RabbitMQ's management API: {file.name}: {answer.status_code} {said}")


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(httpx.TransportError),
    wait=tenacity.wait_random_exponential(multiplier=0.5, max=5),
    stop=tenacity.stop_after_attempt(5),
    reraise=True,
)
def _sent(settings: Settings, file: Path) -> httpx.Response:
    return httpx.post(
        f"https://{settings.rabbitmq_host}:{settings.rabbitmq_management_port}/api/definitions",
        content=file.read_bytes(),
        headers={"Content-Type": "application/json"},
        auth=(settings.rabbitmq_user, settings.rabbitmq_password.get_secret_value()),
        verify=ssl.create_default_context(cafile=settings.rabbitmq_ca_file),
        timeout=_TIMEOUT_SECONDS,
        trust_env=False,
    )
