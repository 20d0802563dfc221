"""The API server, as far as commands need it: read, create, replace, delete, follow a log."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.discovery import EagerDiscoverer
from kubernetes.dynamic.resource import Resource
from urllib3.exceptions import HTTPError

from infra.cluster.errors import NothingChangedError, RefusedError
from infra.cluster.objects import Ref
from infra.cluster.requests import call, log_to_its_end


class Cluster:
    """One API server and the kinds that it serves."""

    def __init__(self, api: ApiClient) -> None:
        """Ask what it serves.

        Raises:
            NothingChangedError: it cannot be reached, or lets us see nothing.
        """
        self._api = api
        with tempfile.TemporaryDirectory() as folder:
            # The library's own cache is one file a host name, and outlives a CRD.
            cache = str(Path(folder) / "discovery.json")
            try:
                self._client = DynamicClient(api, cache_file=cache, discoverer=EagerDiscoverer)
            except (HTTPError, ApiException) as error:
                why = f"{error.status} {error.reason}" if isinstance(error, ApiException) else str(error)
                raise NothingChangedError(f"{api.configuration.host} does not answer: {why}") from None
        self._kinds: dict[tuple[str, str], Resource] = {
            (resource.group_version, resource.kind): resource for resource in _flat(self._client.resources)
        }

    def serves(self, api_version: str, kind: str) -> bool:
        """Whether there is such a kind: a CRD, or built in."""
        return (api_version, kind) in self._kinds

    def read(self, ref: Ref) -> dict[str, Any] | None:
        """The object, if there is one."""
        try:
            return self._on("GET", ref)
        except RefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def create(self, body: Mapping[str, Any], manager: str) -> dict[str, Any]:
        """Only if it is not there."""
        ref = Ref.of(body)
        path = self._kind(ref).path(namespace=ref.namespace or None)
        return self._call("POST", path, f"create {ref}", body=body, field_manager=manager)

    def replace(self, body: Mapping[str, Any], manager: str) -> dict[str, Any]:
        """Only if its resourceVersion is still the one of the body."""
        return self._on("PUT", Ref.of(body), body=body, field_manager=manager)

    def delete(self, ref: Ref, uid: str) -> None:
        """This very object and what was made from it; nothing if it is gone."""
        options = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}}
        try:
            self._on("DELETE", ref, body=options)
        except RefusedError as error:
            # Another one of the same name is not the one that was to go.
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                raise

    def listed(self, api_version: str, kind: str, namespace: str, labels: Mapping[str, str] | None = None) -> list[Any]:
        """All objects of a kind in a namespace."""
        path = self._kinds[api_version, kind].path(namespace=namespace)
        selector = ",".join(f"{key}={value}" for key, value in labels.items()) if labels else None
        return list(self._call("GET", path, f"list {kind} {namespace}", label_selector=selector)["items"] or ())

    def follow(self, namespace: str, pod: str, container: str) -> Iterator[str]:
        """A container's log until it ends."""
        return log_to_its_end(self._api, _log_path(namespace, pod), [("container", container), ("follow", "true")])

    def _kind(self, ref: Ref) -> Resource:
        if not self.serves(ref.api_version, ref.kind):
            raise RefusedError(
                f"{ref}", HTTPStatus.NOT_FOUND, "NotFound", f"the cluster has no kind {ref.api_version} {ref.kind}"
            )
        return self._kinds[ref.api_version, ref.kind]

    def _on(self, method: str, ref: Ref, **request: Any) -> dict[str, Any]:
        path = self._kind(ref).path(name=ref.name, namespace=ref.namespace or None)
        return self._call(method, path, str(ref), **request)

    def _call(self, method: str, path: str, what: str, **request: Any) -> dict[str, Any]:
        return call(self._client, method, path, what, **request)


def _log_path(namespace: str, pod: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods/{pod}/log"


def _flat(resources: Any) -> Iterator[Resource]:
    for found in resources.search():
        for resource in found if isinstance(found, list) else [found]:
            if resource.name and resource.kind != "List" and not resource.kind.endswith("List"):
                yield resource
