"""The S3 server of the local stack and of staging: its users, and what each may do in the bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping

from app import contract
from app.contract import Role

_BUCKET = f"arn:aws:s3:::{contract.BUCKET}"
_OBJECTS = f"{_BUCKET}/*"
#: Whoever stores also reads: whether it is there, or what is there. Without the right to list AWS answers 403, and not
#: 404, for what is not there. Only retention removes.
_STORES = {_BUCKET: ("s3:ListBucket",), _OBJECTS: ("s3:PutObject", "s3:GetObject")}
RIGHTS: Mapping[Role, Mapping[str, tuple[str, ...]]] = {
    Role.GATEWAY: _STORES,
    Role.WORKER: _STORES,
    Role.OWNER: {_BUCKET: ("s3:ListBucket",), _OBJECTS: ("s3:DeleteObject",)},
}


def users_json(passwords: Mapping[Role, str]) -> str:
    """The users, named as their roles are; the server's own root is not among them."""
    users = {role: {"access": role, "secret": passwords[role], "role": "user"} for role in RIGHTS}
    return json.dumps({"accessAccounts": users})


def policy_json() -> str:
    """The bucket's policy, in the language of S3. A bucket elsewhere needs the same rights."""
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": [role]}, "Action": list(actions), "Resource": resource}
        for role, rights in RIGHTS.items()
        for resource, actions in rights.items()
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=1)
