"""A planted bug: the gateway neither asks whether the content is there, nor stores under a condition."""

from __future__ import annotations

from typing import IO, Any

from app.__main__ import main
from app.settings import load
from app.storage import objects


def put(key: str, content: bytes | IO[bytes]) -> bool:
    """Overwrite the content."""
    client: Any = objects._client()
    client.put_object(Bucket=load().s3_bucket, Key=objects._PREFIX + key, Body=content)
    return True


objects.put = put
main()
