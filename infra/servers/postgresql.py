"""PostgreSQL's roles, as the image's entry point runs them. What each may do to which table: see the migrations."""

from __future__ import annotations

from collections.abc import Mapping

from app import contract
from app.contract import Role
from infra.servers import hashes
from infra.servers.logins import Accepted, logins

_NOTHING_SPECIAL = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
#: Their statements have no time limit, nor does a full buffer end them: the ledger and the dump read for as long as it
#: takes, and hold no lock that anybody waits for.
_PATIENT = (Role.AUDITOR, Role.BACKUP)


def roles_sql(passwords: Mapping[Role, Accepted], limits: Mapping[Role, int]) -> str:
    """Creates each role that is missing, sets its SCRAM verifiers and its limit of sessions; may run again, under load.

    A role's second login is a role of its own that becomes the first one when its session begins, and so owns nothing.

    `owner` owns the database and its schema, `backup` reads everything; the others come with nothing but the right to
    connect. A statement's time is limited here and not by the client: PgBouncer's connections are nobody's own.
    """
    statements = ["\\set ON_ERROR_STOP 1", "SET client_min_messages = warning;", "BEGIN;", *_roles()]
    statements += _logins(passwords, limits, f" {_NOTHING_SPECIAL}")
    return "\n".join([*statements, *_rights(), "COMMIT;", ""])


def settings_sql() -> str:
    """The same without logins, connection limits and passwords: where an operator manages those (CloudNativePG)."""
    return "\n".join([*_roles(), *_rights(), ""])


def managed_roles_sql(passwords: Mapping[Role, Accepted], limits: Mapping[Role, int]) -> str:
    """The same for an administrator who is no superuser (RDS): who creates a role may do so much with it, and no more.

    It dumps nothing itself, so that `backup` reads nothing.
    """
    statements = ["SET client_min_messages = warning;", "BEGIN;", *_roles(), *_logins(passwords, limits)]
    # Only a superuser may say that a role is none; a new one is none.
    return "\n".join([*statements, f"GRANT {Role.OWNER} TO CURRENT_USER;", *_owned(), "COMMIT;", ""])


def _roles() -> list[str]:
    statements = []
    for role in contract.POSTGRESQL_ROLES:
        timeout_seconds = 0 if role in _PATIENT else contract.STATEMENT_TIMEOUT_SECONDS
        lost_seconds = 0 if role in _PATIENT else contract.SERVER_PEER_LOST_SECONDS
        for login in contract.logins(role):
            statements += [
                f"DO $$ BEGIN CREATE ROLE {login}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
                f"ALTER ROLE {login} SET statement_timeout = '{timeout_seconds}s';",
                # Keepalives rest while an answer is on its way. A transaction whose client's machine went before it had
                # the answer kept its locks until idle_in_transaction_session_timeout: no list ran for 60 s (ADR 0056).
                f"ALTER ROLE {login} SET tcp_user_timeout = '{lost_seconds}s';",
            ]
        statements += [f"GRANT {role} TO {login};", f"ALTER ROLE {login} SET role = '{role}';"]
    return statements


def _logins(passwords: Mapping[Role, Accepted], limits: Mapping[Role, int], attributes: str = "") -> list[str]:
    statements = []
    for role in contract.POSTGRESQL_ROLES:
        for login, password in logins(role, passwords[role]).items():
            verifier = "NULL" if password is None else f"'{hashes.postgresql(password)}'"
            statements += [
                f"ALTER ROLE {login} {'NOLOGIN' if password is None else 'LOGIN'}{attributes};",
                f"ALTER ROLE {login} CONNECTION LIMIT {limits[role]};",
                f"ALTER ROLE {login} PASSWORD {verifier};",
            ]
    return statements


def _rights() -> list[str]:
    return [f"GRANT pg_read_all_data TO {Role.BACKUP};", *_owned()]


def _owned() -> list[str]:
    database = contract.POSTGRESQL_DATABASE
    names = ", ".join(contract.POSTGRESQL_ROLES)
    return [
        f"ALTER DATABASE {database} OWNER TO {Role.OWNER};",
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC;",
        f"GRANT CONNECT ON DATABASE {database} TO {names};",
        f"ALTER SCHEMA public OWNER TO {Role.OWNER};",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC;",
    ]
