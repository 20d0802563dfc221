"""A server that speaks AWS's protocol: where it is, and clients of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore.config import Config


@dataclass(frozen=True)
class Server:
    """One account's resources in one region."""

    url: str
    region: str

    def client(self, service: str) -> Any:
        """Of boto3."""
        return _client(service, self.region, self.url)

    def operation(self, service: str, method: str) -> str:
        """AWS's name of an operation, by boto3's."""
        return str(self.client(service).meta.method_to_api_mapping[method])


@cache
def _client(service: str, region: str, url: str) -> Any:
    made = boto3.client(
        service,
        region_name=region,
        endpoint_url=url,
        # The server takes any.
        aws_access_key_id="lab",
        aws_secret_access_key="lab",  # noqa: S106 - of no account
        config=Config(s3={"addressing_style": "path"}),
    )
    # ministack 1.5.33 writes an access string into its XML as it is, and `&channel` in one makes that no XML.
    made.meta.events.register("provide-client-params.elasticache", _escaped)
    return made


def _escaped(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {key: value.replace("&", "&amp;") if key == "AccessString" else value for key, value in params.items()}
