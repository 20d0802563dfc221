"""One request to the API server: again while the server is busy, and refused in words without a Secret's values."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import kubernetes.config
import yaml
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION
from kubernetes.dynamic import DynamicClient
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential
from urllib3.exceptions import HTTPError

from infra.cluster.errors import Cause, NothingChangedError, RefusedError
from infra.cluster.objects import hide, secret_values

REQUEST_SECONDS = 30
#: How long a server that is busy, or away for a moment, is asked again.
PATIENCE_SECONDS = 30
_BUSY = frozenset({429, 500, 502, 503, 504})


def connect(context: str | None) -> ApiClient:
    """The cluster of the kubeconfig (KUBECONFIG, or ~/.kube/config) and its context.

    Raises:
        NothingChangedError: there is no such file or context, or it is not what it should be.
    """
    configuration = Configuration()
    configuration.retries = False
    try:
        return kubernetes.config.new_client_from_config(context=context, client_configuration=configuration)
    except (ConfigException, OSError) as error:
        raise NothingChangedError(
            f"no cluster to speak to: {error}; name a file in KUBECONFIG and a context with CONTEXT="
        ) from None
    except (yaml.YAMLError, TypeError, AttributeError, ValueError) as error:
        # What the library makes of a file of another kind: it reads it as it comes.
        place = os.environ.get("KUBECONFIG", KUBE_CONFIG_DEFAULT_LOCATION)
        raise NothingChangedError(f"{place} is not a kubeconfig: {error}; name another file in KUBECONFIG") from None


def call(api: DynamicClient, method: str, path: str, what: str, **request: Any) -> dict[str, Any]:
    """The answer. `what` is said of it when it is refused.

    Raises:
        RefusedError: the server says no, or nothing for too long.
    """
    again = Retrying(
        stop=stop_after_delay(PATIENCE_SECONDS),
        wait=wait_exponential(0.1, max=3),
        retry=retry_if_exception(_passes),
        reraise=True,
    )
    return dict(again(_once, api, method, path, what, **request))


def log_to_its_end(api: ApiClient, path: str, query: list[tuple[str, Any]]) -> Iterator[str]:
    """A log as it is written: the library's own client would wait for its end first."""
    try:
        request = api.param_serialize("GET", path, query_params=query, auth_settings=["BearerToken"])
        for chunk in api.call_api(*request).response.stream(decode_content=True):
            yield chunk.decode(errors="replace")
    except (ApiException, HTTPError) as error:
        raise RefusedError(path, 0, "", type(error).__name__) from None


def _once(api: DynamicClient, method: str, path: str, what: str, **request: Any) -> Any:
    given = {key: value for key, value in request.items() if value is not None}
    try:
        response = api.request(method.lower(), path, serialize=False, _request_timeout=REQUEST_SECONDS, **given)
    except ApiException as error:
        # The library's own error shows the whole answer, in which a server may quote what it was sent.
        raise _refused(what, error, secret_values(given.get("body") or {})) from None
    except HTTPError as error:
        raise RefusedError(what, 0, "Unreachable", f"the API server does not answer: {error}") from None
    return json.loads(response.data)


def _passes(error: BaseException) -> bool:
    """Whether it may be gone in a moment: a busy server, a lost connection, two who write at once."""
    if not isinstance(error, RefusedError):
        return False
    two_wrote = error.status == HTTPStatus.CONFLICT and not error.conflicts and error.reason == "Conflict"
    raced = two_wrote and "modified" in error.message
    return error.status in _BUSY or error.reason == "Unreachable" or raced


def _refused(what: str, error: ApiException, secrets: tuple[str, ...]) -> RefusedError:
    try:
        status = json.loads(error.body or "")
    except ValueError:
        status = {}
    causes = tuple(
        Cause(one.get("reason", ""), one.get("field", ""), hide(one.get("message", ""), secrets))
        for one in (status.get("details") or {}).get("causes") or ()
    )
    message = hide(status.get("message") or f"{error.status} {error.reason}", secrets)
    return RefusedError(what, error.status or 0, status.get("reason", ""), message, causes)
