"""Writes every secret once and keeps it; files made from secrets are made again, and come out the same."""

from __future__ import annotations

import secrets as random
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from app import contract
from app.contract import Role
from infra.authority import Pair
from infra.local import certificates, files, folders
from infra.local.compose_files import fleet, outsiders_of
from infra.local.state import State
from infra.servers import capacity, object_store, postgresql, prometheus, redis, redis_broker
from infra.servers.logins import Accepted
from infra.servers.rabbitmq import definitions
from infra.servers.rabbitmq.outsiders import Outsider
from infra.settings.rotation import FIRST, Generations


def write_secrets(state: State) -> None:
    """Make what is missing below `.millrace/secrets/`. May be interrupted and repeated at any point."""
    files.folder(state.root, files.PUBLIC_FOLDER)
    files.folder(state.secrets)
    authority = _authority(files.folder(state.secrets / "ca"))
    outsiders = outsiders_of(contract.queues())
    for folder in (*folders.ALL, *folders.of_outsiders(outsiders)):
        path = files.folder(state.secrets / folder.name)
        files.write(path / "ca.crt", authority.certificate)
        if folder.names:
            _leaf(path, authority, folder.names)
        for server in folder.passwords:
            _login(state, folder.name, server)
    _flower(state)
    _redis(state)
    _rabbitmq(state, outsiders)
    files.write(state.secrets / "objectstore" / "users.json", object_store.users_json(passwords(state, "s3")))
    files.write(
        state.secrets / "postgresql" / "roles.sql",
        postgresql.roles_sql(passwords(state, "postgresql"), capacity.session_limits(fleet(contract.queues()))),
    )
    monitoring = state.secrets / Role.PROMETHEUS
    files.write(monitoring / "web.yml", prometheus.web_config(passwords(state, "prometheus")))
    files.write(monitoring / "probe.yml", prometheus.probe_config())


def passwords(state: State, server: str) -> dict[Role, Accepted]:
    """The passwords of every role that a server accepts."""
    return {
        Role(folder.name): _accepted(state, folder.name, server)
        for folder in folders.ROLES
        if server in folder.passwords
    }


def rotation(state: State) -> dict[str, Generations]:
    """Which generations of each user's passwords are accepted; the first one is used. A user that it lacks has one."""
    if not state.rotation.is_file():
        return {}
    return TypeAdapter(dict[str, Generations]).validate_json(state.rotation.read_bytes())


def _generations(state: State, user: str) -> Generations:
    return rotation(state).get(user, FIRST)


def _accepted(state: State, user: str, server: str) -> Accepted:
    """Passwords are kept by their generations in a folder that nobody mounts."""
    kept = files.folder(state.secrets / "kept")
    used = state.secrets / user / f"{server}_password"
    first = kept / f"{user}-{server}-1"
    if used.is_file() and not first.is_file():
        # Of a checkout that knew no generations.
        files.write(first, used.read_text())
    return {
        contract.login(user, number): _once(kept / f"{user}-{server}-{number}")
        for number in sorted(_generations(state, user))
    }


def _login(state: State, user: str, server: str) -> None:
    """What a user's processes log in with: the login's name and its password."""
    login = contract.login(user, _generations(state, user)[0])
    path = state.secrets / user
    files.write(path / f"{server}_user", user if server in {"redis", folders.BROKER} else login)
    files.write(path / f"{server}_password", _accepted(state, user, server)[login])


def _authority(path: Path) -> Pair:
    certificate, key = path / "ca.crt", path / "ca.key"
    if certificate.is_file() and key.is_file():
        return Pair(certificate.read_bytes(), key.read_bytes())
    pair = certificates.make_authority()
    # The certificate last: it says that the key is there too.
    files.write(key, pair.key)
    files.write(certificate, pair.certificate)
    return pair


def _leaf(path: Path, authority: Pair, names: tuple[str, ...]) -> None:
    certificate, key = path / "tls.crt", path / "tls.key"
    if certificate.is_file() and key.is_file():
        kept = Pair(certificate.read_bytes(), key.read_bytes())
        if certificates.still_good(authority, kept, names):
            return
    pair = certificates.make_leaf(authority, names)
    files.write(key, pair.key)
    files.write(certificate, pair.certificate)


def _once(path: Path) -> str:
    """A password of 256 bits, in characters that no configuration file and no URL needs to escape."""
    if not path.is_file():
        files.write(path, random.token_urlsafe(32))
    return path.read_text()


def _flower(state: State) -> None:
    """Flower checks the operator's passwords itself, so it needs them in full: one a line."""
    accepted = _accepted(state, Role.OPERATOR, "flower")
    files.write(state.secrets / Role.FLOWER / "flower_password", "\n".join(accepted.values()))


def _redis(state: State) -> None:
    """The access lists, and the one password that a server's own health check logs in with."""
    lists = {
        "redis": ("redis", redis.users_acl(passwords(state, "redis"))),
        folders.REDIS_BROKER: (
            folders.BROKER,
            redis_broker.users_acl(passwords(state, folders.BROKER), contract.queue_names()),
        ),
    }
    for folder, (server, users) in lists.items():
        files.write(state.secrets / folder / "users.acl", users)
        probe = (state.secrets / Role.PROBE / f"{server}_password").read_text()
        files.write(state.secrets / folder / "probe_password", probe)


def _rabbitmq(state: State, outsiders: Sequence[Outsider]) -> None:
    """The nodes share the cookie and the definitions; each folder holds both, because a container mounts one folder."""
    queues = contract.queues()
    known = {outsider: _accepted(state, outsider.user, "rabbitmq") for outsider in outsiders}
    for outsider in outsiders:
        path = state.secrets / outsider.user
        login, password = ((path / f"rabbitmq_{part}").read_text() for part in ("user", "password"))
        files.write(path / "broker_url", contract.broker_url(login, password, "rabbitmq"))
    imported = {
        definitions.VHOST_FILE: definitions.vhost_file(queues),
        definitions.USERS_FILE: definitions.users_file(
            passwords(state, "rabbitmq"), queues, capacity.broker_limits(fleet(queues)), known
        ),
    }
    cookie = _once(state.secrets / folders.RABBITMQ_NODES[0] / "erlang_cookie")
    for node in folders.RABBITMQ_NODES:
        path = state.secrets / node
        files.write(path / "erlang_cookie", cookie)
        folder = files.folder(path / definitions.FOLDER)
        for name, content in imported.items():
            files.write(folder / name, content)
