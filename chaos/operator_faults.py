"""Mistakes of a tired operator at a server's own command line: a policy removed, rights revoked, a login refused."""

from __future__ import annotations

import json
from typing import Any

from app import contract
from chaos.components import Member
from chaos.errors import TargetMissingError
from chaos.node_faults import rabbitmqctl
from chaos.plan import Plan, Scene
from chaos.steps import Step, docker, perform

_VHOST = ("-p", contract.VHOST)
#: A role logs in as itself or, while its password is rotated, by its second login.
_SECOND_LOGIN = "_b"


def drop_policy(member: Member, _scene: Scene, *, name: str) -> Plan:
    """Remove the policy of a queue, and with it its dead letters and its bounds.

    Raises:
        TargetMissingError: there is no such policy.
    """
    found = [policy for policy in _listed(member, "list_policies") if policy["name"] == name]
    if not found:
        raise TargetMissingError(f"RabbitMQ has no policy {name}.")
    policy = found[0]
    definition = policy["definition"]
    again = rabbitmqctl(
        member, "set_policy", *_VHOST, "--priority", str(policy["priority"]), "--apply-to", policy["apply-to"],
        name, policy["pattern"], definition if isinstance(definition, str) else json.dumps(definition),
    )  # fmt: skip

    def lacks() -> str:
        names = [each["name"] for each in _listed(member, "list_policies")]
        return f"policy {name} is there" if name in names else ""

    return Plan(
        what=f"remove policy {name}",
        inject=(rabbitmqctl(member, "clear_policy", *_VHOST, name),),
        undo=(again,),
        lacks=lacks,
    )


def revoke(member: Member, _scene: Scene, *, name: str) -> Plan:
    """Take a user's rights in RabbitMQ away and end its connections: what is connected knows its rights by heart.

    Raises:
        TargetMissingError: it has none.
    """
    rights = [right for right in _listed(member, "list_permissions") if right["user"] in _logins(name)]
    if not rights:
        raise TargetMissingError(f"RabbitMQ's user {name} has no rights in {contract.VHOST}.")

    def lacks() -> str:
        users = [each["user"] for each in _listed(member, "list_permissions")]
        left = [user for user in _logins(name) if user in users]
        return f"{', '.join(left)} may still do its work" if left else ""

    return Plan(
        what=f"revoke the rights of {name} in RabbitMQ",
        inject=tuple(
            step
            for right in rights
            for step in (
                rabbitmqctl(member, "clear_permissions", *_VHOST, right["user"]),
                rabbitmqctl(member, "close_all_user_connections", right["user"], "drill"),
            )
        ),
        undo=tuple(
            rabbitmqctl(
                member, "set_permissions", *_VHOST, right["user"], right["configure"], right["write"], right["read"]
            )
            for right in rights
        ),
        lacks=lacks,
    )


def refuse_login(member: Member, _scene: Scene, *, name: str) -> Plan:
    """Let a role no longer log in to PostgreSQL, and end its sessions.

    Raises:
        TargetMissingError: it cannot log in anyway.
    """
    logins = _able(member, name)
    if not logins:
        raise TargetMissingError(f"PostgreSQL's role {name} cannot log in.")
    quoted = ", ".join(f"'{login}'" for login in logins)
    ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ({quoted})"  # noqa: S608 - read
    return Plan(
        what=f"refuse {name} at PostgreSQL",
        inject=(*(_psql(member, f"ALTER ROLE {login} NOLOGIN") for login in logins), _psql(member, ended)),
        undo=tuple(_psql(member, f"ALTER ROLE {login} LOGIN") for login in logins),
        lacks=lambda: f"{', '.join(_able(member, name))} may log in" if _able(member, name) else "",
    )


def _listed(member: Member, command: str) -> list[dict[str, Any]]:
    said = perform(rabbitmqctl(member, "--quiet", command, *_VHOST, "--formatter", "json"))
    listed: list[dict[str, Any]] = json.loads(said)
    return listed


def _able(member: Member, name: str) -> list[str]:
    quoted = ", ".join(f"'{login}'" for login in _logins(name))
    asked = f"SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname IN ({quoted}) ORDER BY 1"  # noqa: S608 - ours
    return perform(_psql(member, asked)).split()


def _logins(name: str) -> tuple[str, str]:
    return name, f"{name}{_SECOND_LOGIN}"


def _psql(member: Member, sql: str) -> Step:
    return docker(
        "exec", member.identifier, "psql", "-h", "/run/postgresql", "-d", contract.POSTGRESQL_DATABASE,
        "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "-c", sql,
    )  # fmt: skip
