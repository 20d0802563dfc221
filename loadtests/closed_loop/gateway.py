"""The gateway under load: how it is reached, and why a run against it cannot begin."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

import httpx

from app import contract
from loadtests.errors import HarnessError

API_KEY_VARIABLE = "MILLRACE_API_KEY"
CA_FILE_VARIABLE = "MILLRACE_CA_FILE"
TIMEOUT_SECONDS = 10.0


class SettingError(HarnessError):
    """The load cannot begin:"""  # noqa: D415 - what is wrong follows


def api_key() -> str:
    """The key of every request.

    Raises:
        SettingError: there is none.
    """
    key = os.environ.get(API_KEY_VARIABLE, "").strip()
    if not key:
        raise SettingError(f"{API_KEY_VARIABLE} is not set. Set it to an API key with tasks:write and jobs:read.")
    return key


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Trust the authority that is named, or those of the system: one context for all connections.

    Raises:
        SettingError: its file cannot be used.
    """
    file = os.environ.get(CA_FILE_VARIABLE) or None
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:  # ssl.SSLError is one
        raise SettingError(f"{CA_FILE_VARIABLE}: {file}: {error.strerror or error}.") from error


def open_client(host: str) -> httpx.Client:
    """A client for what is no load: the checks before a run and after it."""
    return httpx.Client(
        base_url=host,
        verify=tls_context(),
        headers={contract.HEADER_API_KEY: api_key()},
        timeout=TIMEOUT_SECONDS,
        trust_env=False,
    )


def check(host: str | None) -> None:
    """Ask the gateway once whether it knows the key.

    Raises:
        SettingError: it cannot be reached, or does not take the key.
    """
    if not host:
        raise SettingError("there is no host. Name the gateway with --host https://….")
    try:
        with open_client(host) as client:
            status = client.get("/v1/jobs", params={"limit": 1}).status_code
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        advice = ""
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            advice = f" If its authority is private, set {CA_FILE_VARIABLE} to the file of its certificate."
        raise SettingError(f"{host}: {error}.{advice}") from error
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise SettingError(f"{host} answers {status}. Set {API_KEY_VARIABLE} to a key with tasks:write and jobs:read.")
    if status != httpx.codes.OK:
        raise SettingError(f"{host} answers {status} to GET /v1/jobs. Is it a gateway of Millrace, and does it work?")
