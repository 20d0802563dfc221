"""Who has a user on the Redis that is a broker, and that it forgets nothing that it answered."""

from __future__ import annotations

import pytest

from app import contract
from app.contract import Role
from infra.servers.redis_broker import rules, users_acl
from infra.servers.redis_conf import redis_conf

RULES = rules(contract.queue_names())
PASSWORDS = {role: {str(role): f"secret-of-{role}"} for role in RULES}


def test_what_was_answered_is_on_disk() -> None:
    """`everysec` may lose two seconds of confirmed messages."""
    assert "appendfsync always" in redis_conf(1024**3, 100, sync="always").splitlines()


def test_nobody_logs_in_without_a_name_and_no_password_is_in_the_file() -> None:
    """As in the other Redis."""
    lines = users_acl(PASSWORDS, contract.queue_names()).splitlines()

    assert lines[0].startswith("user default off")
    assert not any("secret" in line for line in lines)


@pytest.mark.parametrize("role", [Role.RELAY, Role.WORKER, Role.ARCHIVER, Role.KEDA])
def test_no_role_of_a_process_has_all_keys_or_dangerous_commands(role: Role) -> None:
    """A relay reads no message, an archiver takes none, a worker empties nothing."""
    rule = RULES[role].split()

    assert "allkeys" not in rule
    assert "+@all" not in rule
    assert not {"+flushall", "+keys", "+config", "+acl", "+del"} & set(rule)
    assert {word for word in rule if word.startswith("~")} <= {
        f"~{key}" for queue in contract.queue_names() for key in contract.redis_keys(queue)
    }
