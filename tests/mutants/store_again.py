"""A planted bug: the gateway stores without asking whether it is there, and without the condition that asks S3."""

from __future__ import annotations

from typing import IO, Any

from app.__main__ import main
from app.settings import load
from app.storage import objects


def put(key: str, content: bytes | IO[bytes]) -> bool:
    """Overwrite what is there."""
    client: Any = objects._client()
    client.put_object(Bucket=load().s3_bucket, Key=objects._PREFIX + key, Body=content)
    return True


objects.put = put
main()
