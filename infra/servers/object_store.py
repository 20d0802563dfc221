"""The S3 server of the local stack and of staging: its users, and what each may do in the bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from app import contract
from app.contract import Role
from infra.servers.logins import Accepted, logins

_BUCKET = f"arn:aws:s3:::{contract.BUCKET}"
_OBJECTS = f"{_BUCKET}/*"
#: A role that stores must also read, to see whether content is there. Without the right to list AWS answers 403, not
#: 404, for what is not there. Only retention removes.
_STORES = {_BUCKET: ("s3:ListBucket",), _OBJECTS: ("s3:PutObject", "s3:GetObject")}
RIGHTS: Mapping[Role, Mapping[str, tuple[str, ...]]] = {
    Role.GATEWAY: _STORES,
    Role.WORKER: _STORES,
    Role.OWNER: {_BUCKET: ("s3:ListBucket",), _OBJECTS: ("s3:DeleteObject",)},
}


def users_json(passwords: Mapping[Role, Accepted]) -> str:
    """The users, named as their roles' logins are; the server's own root is not among them."""
    users = {
        login: {"access": login, "secret": secret, "role": "user"}
        for role in RIGHTS
        for login, secret in logins(role, passwords[role]).items()
        if secret is not None
    }
    return json.dumps({"accessAccounts": users})


def policy_json(generations: Mapping[str, Sequence[int]] = MappingProxyType({})) -> str:
    """The bucket's policy, in the language of S3. A bucket elsewhere needs the same rights.

    It names the logins that are accepted, and no others: the server refuses a policy that names a stranger.
    """
    names = {role: [contract.login(role, number) for number in sorted(generations.get(role, (1,)))] for role in RIGHTS}
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": names[role]}, "Action": list(actions), "Resource": resource}
        for role, rights in RIGHTS.items()
        for resource, actions in rights.items()
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=1)
