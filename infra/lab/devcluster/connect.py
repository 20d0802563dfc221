"""Clients of an API server that close what they open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError


@contextmanager
def connected(kubeconfig: Path) -> Iterator[client.ApiClient]:
    """A client with the rights of the user that this kubeconfig names."""
    with closing(config.new_client_from_config(str(kubeconfig))) as api:
        yield api


@contextmanager
def closing(api: client.ApiClient) -> Iterator[client.ApiClient]:
    """Close the client's connections at the end. `ApiClient.close` leaves them open."""
    try:
        with api:
            yield api
    finally:
        api.rest_client.pool_manager.clear()


def works(kubeconfig: Path) -> bool:
    """Whether the API server serves and its controllers act.

    The account exists only when the built-in roles are made and the controllers work with them.
    """
    try:
        with connected(kubeconfig) as api:
            client.CoreV1Api(api).read_namespaced_service_account("default", "default")
    except (ApiException, HTTPError):
        return False
    return True
