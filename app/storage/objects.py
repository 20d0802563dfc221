"""Content in S3, under its SHA-256: the same content is stored once, and what comes back is checked by its name.

Every S3 server that supports conditional writes (`If-None-Match: *`) will do.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import IO, Any

from app.errors import ObjectDamagedError, ObjectMissingError, ObjectStoreAwayError
from app.settings import load

_PREFIX = "sha256/"
_CHUNK_BYTES = 1024 * 1024
_CONNECT_SECONDS = 3


def configured() -> bool:
    """Whether this stack has an object store."""
    return bool(load().s3_endpoint)


def key_of(content: bytes) -> str:
    """The name of the content: its SHA-256, as 64 hexadecimal digits."""
    return sha256(content).hexdigest()


def put(key: str, content: bytes | IO[bytes]) -> bool:
    """Store content unless it is there; returns whether it was stored now.

    Mark its use first (`object_uses`), or retention may remove it at the same time.

    Raises:
        ObjectStoreAwayError: S3 is away; nothing is known to be stored.
    """
    # Ask first: content that is there need not be sent, and a refusal in the middle of a body is no clear answer.
    if size_bytes(key) is not None:
        return False
    try:
        with _answers():
            _client().put_object(
                Bucket=load().s3_bucket, Key=_PREFIX + key, Body=content, IfNoneMatch="*",
                ChecksumSHA256=base64.b64encode(bytes.fromhex(key)).decode(),
            )  # fmt: skip
    except ObjectStoreAwayError:
        # Somebody else stored it at the same time (412, 409), or the server closed the connection to say so.
        if size_bytes(key) is None:
            raise
        return False
    return True


def size_bytes(key: str) -> int | None:
    """The size of the content; None if it is not there.

    Raises:
        ObjectStoreAwayError: S3 is away.
    """
    try:
        with _answers():
            return int(_client().head_object(Bucket=load().s3_bucket, Key=_PREFIX + key)["ContentLength"])
    except ObjectMissingError:
        return None


def chunks(key: str) -> Iterator[bytes]:
    """Yield the content in parts, and check its hash at the end. Do not rely on any part before that.

    Raises:
        ObjectMissingError: it is not there.
        ObjectDamagedError: it is another content.
        ObjectStoreAwayError: S3 is away.
    """
    found = sha256()
    with _answers():
        answer = _client().get_object(Bucket=load().s3_bucket, Key=_PREFIX + key)
    with closing(answer["Body"]) as body:
        while True:
            with _answers():
                chunk: bytes = body.read(_CHUNK_BYTES)
            if not chunk:
                break
            found.update(chunk)
            yield chunk
    if found.hexdigest() != key:
        raise ObjectDamagedError(f"({key})")


def read(key: str) -> bytes:
    """The whole content, checked; raises what `chunks` raises."""
    return b"".join(chunks(key))


def remove(key: str) -> None:
    """Remove the content, if it is there."""
    with _answers():
        _client().delete_object(Bucket=load().s3_bucket, Key=_PREFIX + key)


def keys_before(moment: datetime) -> Iterator[tuple[str, datetime]]:
    """Yield the contents that were stored before a moment, and when."""
    with _answers():
        for page in _client().get_paginator("list_objects_v2").paginate(Bucket=load().s3_bucket, Prefix=_PREFIX):
            for found in page.get("Contents", ()):
                if found["LastModified"] < moment:
                    yield found["Key"].removeprefix(_PREFIX), found["LastModified"]


@contextmanager
def _answers() -> Iterator[None]:
    """Tell a missing object from all other errors, which an operator must mend while tasks wait."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError  # noqa: PLC0415 - see _client

    try:
        yield
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404 and error.response["Error"]["Code"] in _MISSING:
            raise ObjectMissingError from None
        raise ObjectStoreAwayError(str(error)) from error
    except (BotoCoreError, HTTPClientError) as error:
        raise ObjectStoreAwayError(str(error)) from error


#: HEAD has no body that could name the code.
_MISSING = frozenset({"404", "NoSuchKey"})


@lru_cache(maxsize=1)
def _client() -> Any:
    """This process's client: made after a fork, and shared by its threads."""
    # Imported here, because boto3 takes 20 MB in a process, and only few processes use it.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    settings = load()
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_user,
        aws_secret_access_key=settings.s3_password.get_secret_value(),
        verify=True if settings.s3_public_ca else settings.ca_file,
        config=Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=settings.s3_timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": 2},
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
