"""Each role may do in S3 what it needs there, and nothing else; nobody may do anything without a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app import contract
from app.contract import Role
from infra.servers.object_store import RIGHTS
from tests.harness.stack import Stack
from tests.proofs.patterns_uploads.contents import noise, uploaded

_BUCKET = {"Bucket": contract.BUCKET}
#: Each right, and a call that needs it.
CALLS: dict[str, Callable[[Any, str], Any]] = {
    "s3:GetObject": lambda s3, key: s3.get_object(**_BUCKET, Key=key)["Body"].read(),
    "s3:PutObject": lambda s3, key: s3.put_object(**_BUCKET, Key=key + "-more", Body=b"more"),
    "s3:ListBucket": lambda s3, _: s3.list_objects_v2(**_BUCKET),
    "s3:DeleteObject": lambda s3, key: s3.delete_object(**_BUCKET, Key=key + "-none"),
    "s3:PutBucketPolicy": lambda s3, _: s3.put_bucket_policy(**_BUCKET, Policy="{}"),
    "s3:CreateBucket": lambda s3, _: s3.create_bucket(Bucket="another"),
    "s3:DeleteBucket": lambda s3, _: s3.delete_bucket(**_BUCKET),
}


def _allowed(stack: Stack, user: str, password: str, key: str) -> set[str]:
    endpoint = f"https://127.0.0.1:{stack.port('objectstore', contract.PORT_OBJECT_STORE)}"
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, proxies={})
    s3: Any = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=user, aws_secret_access_key=password,
        verify=str(stack.ca_file), config=config,
    )  # fmt: skip
    found = set()
    for right, call in CALLS.items():
        try:
            call(s3, key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != httpx.codes.FORBIDDEN:
                raise
        except BotoCoreError:
            # It refuses without reading the body, and the connection is closed before the answer is read.
            if not right.startswith("s3:Put"):
                raise
        else:
            found.add(right)
    s3.close()
    return found


@pytest.mark.parametrize("role", RIGHTS)
def test_each_role_has_its_rights_only(single: Stack, client: httpx.Client, role: Role) -> None:
    """With its own password each role has its rights; with another one it has none."""
    key = "sha256/" + uploaded(client, noise(100))["key"]
    wanted = {action for actions in RIGHTS[role].values() for action in actions}
    assert _allowed(single, role, single.password(role, "s3"), key) == wanted
    assert _allowed(single, role, "wrong", key) == set()


def test_nobody_gets_in_without_a_key(single: Stack, client: httpx.Client) -> None:
    """An unsigned request reaches neither the bucket nor an object."""
    key = uploaded(client, noise(100))["key"]
    base = f"https://127.0.0.1:{single.port('objectstore', contract.PORT_OBJECT_STORE)}"
    for path in ("/", f"/{contract.BUCKET}", f"/{contract.BUCKET}/sha256/{key}"):
        assert client.get(base + path, headers={contract.HEADER_API_KEY: ""}).status_code == 403
