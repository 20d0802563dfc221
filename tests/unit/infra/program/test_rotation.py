"""A rotation at each of its moments: what a running client logs in with is accepted, and what is retired is not."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise, product

import pytest
from cryptography import x509

from app import contract
from app.contract import Role
from infra.components.passwords import SERVERS
from infra.servers import hashes
from infra.settings.load import SettingsError
from infra.settings.rotation import AMONG_SERVERS, skipped
from tests.unit.infra.stacks import STACKS, Rendered, config_of, render

Step = tuple[int, ...]
Steps = tuple[Step, ...]

#: `pulumi up` after `pulumi up`: the state before, the two of a rotation, and those of the next one.
UPS = ((1,), (2, 1), (2,), (3, 2), (3,))
CLIENTS = tuple(role for role in SERVERS if role not in {Role.REPLICA, Role.SENTINEL, Role.PROBE})
#: What servers use among themselves: each is the other's client, so all accept the new one before any uses it.
UPS_AMONG_SERVERS = ((1,), (1, 2), (2, 1), (2,))


@cache
def _rendered(name: str, users: tuple[str, ...], generations: tuple[int, ...]) -> Rendered:
    rotation = json.dumps(dict.fromkeys(users, generations))
    return render(name, config_of(name) | {"millrace:rotation": rotation})


def _secret(rendered: Rendered, name: str) -> Mapping[str, str]:
    found: Mapping[str, str] = rendered.registration(rendered.one("Secret", name)).inputs["stringData"].value
    return {key: str(getattr(value, "value", value)) for key, value in found.items()}


def _logins(rendered: Rendered) -> set[tuple[str, str, str]]:
    """Server, login and password of everything that clients read."""
    found = set()
    for role in CLIENTS:
        name = f"{role}-passwords"
        if not any(one.name == name for one in rendered.manifests):
            continue
        files = _secret(rendered, name)
        for key in files:
            if key.endswith("_user"):
                server = key.removesuffix("_user")
                found.add((server, files[key], files[f"{server}_password"]))
    return found


def _accepts(rendered: Rendered, server: str, login: str, password: str) -> bool:
    match server:
        case "rabbitmq":
            users = json.loads(_secret(rendered, "rabbitmq-secrets")["20-users.json"])["users"]
            return hashes.rabbitmq(password) in {one["password_hash"] for one in users if one["name"] == login}
        case "redis":
            line = re.search(f"^user {login} .*$", _secret(rendered, "redis-secrets")["users.acl"], re.MULTILINE)
            return line is not None and hashes.redis(password) in line[0].split()
        case "s3":
            users = json.loads(_secret(rendered, "objectstore-secrets")["users.json"])["accessAccounts"]
            policy = rendered.one("ConfigMap", "objectstore-config").body["data"]["policy.json"]
            return bool(users.get(login, {}).get("secret") == password) and f'"{login}"' in policy
        case _:
            verifier = hashes.postgresql(password)
            pooled = f'"{login}" "{verifier}"' in _secret(rendered, "pgbouncer-secrets")["userlist.txt"]
            direct = contract.user_of(login) in {"owner", "auditor", "backup"}
            if rendered.stack.is_prod:
                secret = _secret(rendered, f"postgresql-role-{login.replace('_', '-')}")
                return secret == {"username": login, "password": verifier} and (pooled or direct)
            roles = _secret(rendered, "postgresql-secrets")["roles.sql"]
            lines = (f"ALTER ROLE {login} PASSWORD '{verifier}';", f"ALTER ROLE {login} LOGIN ")
            return all(line in roles for line in lines) and (pooled or direct)


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize(("before", "after"), list(pairwise(UPS)))
def test_running_clients_are_accepted_before_during_and_after(
    name: str, before: Sequence[int], after: Sequence[int]
) -> None:
    """Of every role on every server. Servers change first, so old clients meet the servers of both settings."""
    old, new = (_rendered(name, tuple(CLIENTS), tuple(generations)) for generations in (before, after))

    assert len(_logins(old)) > 15
    for login in _logins(old):
        assert _accepts(old, *login), login
        assert _accepts(new, *login), f"{login}: its clients still run when {new.stack.rotation} is applied"


@pytest.mark.parametrize("name", STACKS)
def test_what_is_retired_is_refused(name: str) -> None:
    """The second `up` removes the old credential."""
    retired = _logins(_rendered(name, tuple(CLIENTS), (1,)))
    after = _rendered(name, tuple(CLIENTS), (2,))

    assert not [login for login in retired if _accepts(after, *login)]


def test_a_skipped_step_is_seen_by_these_tests() -> None:
    """The planted bug: from [1] to [2] at once, and running clients are refused."""
    before, after = (_rendered("staging", tuple(CLIENTS), one) for one in ((1,), (2,)))

    assert not any(_accepts(after, *login) for login in _logins(before))


@pytest.mark.parametrize(("before", "after"), list(pairwise(UPS_AMONG_SERVERS)))
def test_servers_among_themselves_are_accepted_in_both_directions(before: Sequence[int], after: Sequence[int]) -> None:
    """A pod of Redis that was rolled speaks with one that was not, as its client and as its server."""
    users = (Role.REPLICA, Role.SENTINEL, Role.PROBE)
    old, new = (_rendered("prod", users, tuple(generations)) for generations in (before, after))

    for client, server in ((old, new), (new, old)):
        files = _secret(client, "redis-secrets")
        for role in users:
            password = files[f"{role}_password"]
            assert _accepts(server, "redis", role, password)


@pytest.mark.parametrize(
    ("user", "before", "after", "rolled"),
    [
        (Role.RELAY, (1,), (2, 1), {"relay", "rabbitmq", "pgbouncer"}),
        (Role.RELAY, (2, 1), (2,), {"rabbitmq", "pgbouncer"}),
        (Role.RELAY, (2, 1), (1, 2), {"relay"}),
        # Processes read a certificate that was signed anew while they run.
        ("authority", (1, 2), (2, 1), set()),
    ],
)
def test_a_rotated_password_rolls_its_clients_and_no_other(
    user: str, before: Sequence[int], after: Sequence[int], rolled: set[str]
) -> None:
    """RabbitMQ, PgBouncer and Redis take the new list at a start; PostgreSQL takes it while it runs."""
    old, new = (_rendered("staging", (user,), tuple(generations)) for generations in (before, after))

    assert {
        one.name
        for kind in ("Deployment", "StatefulSet", "Job")
        for one in old.manifests
        if one.kind == kind and one.body != new.one(kind, one.name).body
    } == rolled


def test_the_authority_is_trusted_before_it_signs() -> None:
    """Whoever signs is trusted by those who started before and after; each issuer belongs to its namespace."""
    for before, after in pairwise(UPS_AMONG_SERVERS):
        old, new = (_rendered("staging", ("authority",), tuple(one)) for one in (before, after))
        for signer, trusting in ((old, new), (new, old)):
            [used] = {one.name for one in signer.manifests if one.kind == "Issuer"}
            keys = [one for one in signer.registered if one.inputs.get("metadata", {}).get("name") == used]
            secrets = [one.inputs["stringData"].value for one in keys if "stringData" in one.inputs]
            assert len(secrets) == len({one.namespace for one in signer.manifests if one.kind == "Issuer"}) == 2
            certificate = x509.load_pem_x509_certificate(secrets[0]["tls.crt"].encode())
            bundles = [one for one in trusting.registered if one.name.endswith("authority-tls")]
            for bundle in bundles:
                trusted = x509.load_pem_x509_certificates(bundle.inputs["stringData"].value["ca.crt"].encode())
                assert certificate in trusted
        leaves = [one.body for one in new.manifests if one.kind == "Certificate"]
        assert {one["spec"]["issuerRef"]["kind"] for one in leaves} == {"Issuer"}
        assert {one["spec"]["issuerRef"]["name"] for one in leaves} == {f"millrace-ca-{after[0]}"}


def test_no_pod_trusts_the_authority_beside_its_certificate(rendered: Rendered) -> None:
    """That one is who signed it; the bundle is who is trusted."""
    for body in rendered.bodies("Deployment", "StatefulSet", "Job", "CronJob"):
        text = json.dumps(body)
        for found in re.findall(r'"secret": \{"items": (\[[^\]]*\]), "name": "([a-z0-9-]+-tls)"', text):
            keys = {item["key"] for item in json.loads(found[0])}
            assert keys == ({"ca.crt"} if found[1] == "authority-tls" else {"tls.crt", "tls.key"}), found[1]
        assert not re.search(r'"secret": \{"name": "[a-z0-9-]+-tls"', text)


@pytest.mark.parametrize(
    ("rotation", "said"),
    [
        ({"relay": []}, r"\[\]: write \[USED\], or \[USED, ALSO ACCEPTED\], counted from 1"),
        ({"relay": [0]}, r"\[0\]: write"),
        ({"relay": [3, 1]}, "the second must be the generation before or after the first"),
        ({"relay": [1, 2, 3]}, "write"),
        ({"nobody": [2, 1]}, "rotation.nobody: nobody of this name logs in; there are archiver,"),
    ],
)
def test_a_rotation_that_cannot_be_is_refused(rotation: Mapping[str, Sequence[int]], said: str) -> None:
    """With what to write."""
    with pytest.raises(SettingsError, match=said):
        render("staging", config_of("staging") | {"millrace:rotation": json.dumps(rotation)})


def test_a_locked_login_has_a_hash_of_the_servers_form() -> None:
    """RabbitMQ: four bytes of salt and 32; PostgreSQL: a verifier, which nobody's password has."""
    assert len(base64.b64decode(hashes.RABBITMQ_LOCKED)) == len(base64.b64decode(hashes.rabbitmq("x")))
    form = r"SCRAM-SHA-256\$4096:[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}="
    assert re.fullmatch(form, hashes.POSTGRESQL_LOCKED)
    assert re.fullmatch(form, hashes.postgresql("x"))


@pytest.mark.parametrize(
    ("ups", "back", "users"),
    [
        # Back from [2, 1], whose clients use 2, it goes over [1, 2]. The next rotation may follow at once.
        (UPS, {((2,), (2, 1)), ((3,), (3, 2)), ((2, 1), (3, 2))}, CLIENTS),
        (UPS_AMONG_SERVERS, set(pairwise(reversed(UPS_AMONG_SERVERS))), tuple(AMONG_SERVERS)),
    ],
    ids=["clients", "among servers"],
)
def test_every_step_passes_and_no_other(ups: Steps, back: set[tuple[Step, Step]], users: Sequence[str]) -> None:
    """One that leaves a step out is refused, and the error names a step that is none too many."""
    steps = {*pairwise(ups), *back, *((one, one) for one in ups)}
    for user, before, after in product(users, ups, ups):
        problems = list(skipped(user, before, after))
        assert bool(problems) is ((before, after) not in steps), (user, before, after, problems)
        for problem in problems:
            [first] = re.findall(r"deploy (\[[\d, ]+\]) first", problem)
            assert not list(skipped(user, before, tuple(json.loads(first)))), problem


def test_the_generations_that_are_reached_are_noted_first_and_last(rendered: Rendered) -> None:
    """Nothing with a password comes before the one, and the other waits for every client."""
    begun, ended = (rendered.one("ConfigMap", f"rotation-{name}") for name in ("begun", "ended"))

    assert begun.body["data"] == ended.body["data"]
    assert begun.body["data"]["worker"] == "[1]"
