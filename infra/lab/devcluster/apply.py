"""Applies objects to the cluster, server-side, and waits for what they promise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ResourceNotFoundError
from urllib3.exceptions import HTTPError

from infra.lab.devcluster.waiting import until

FIELD_MANAGER = "millrace-devcluster"
Manifest = Mapping[str, Any]
_KIND_SECONDS = 60


class Applier:
    """Applies as the administrator."""

    def __init__(self, api: client.ApiClient) -> None:
        """Of one cluster."""
        self._api = api

    @cached_property
    def _dynamic(self) -> DynamicClient:
        return DynamicClient(self._api)

    def apply(self, manifests: Iterable[Manifest]) -> None:
        """Apply one after the other. A kind that a definition before it has just made takes a moment to be known."""
        for manifest in manifests:
            kind = f"{manifest['kind']} of {manifest['apiVersion']}"
            until(f"{kind} is known", lambda each=manifest: self._applied(each), _KIND_SECONDS)  # type: ignore[misc]

    def _applied(self, manifest: Manifest) -> bool:
        try:
            resource = self._dynamic.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
            resource.server_side_apply(
                body=dict(manifest),
                name=manifest["metadata"]["name"],
                namespace=manifest["metadata"].get("namespace"),
                field_manager=FIELD_MANAGER,
                force_conflicts=True,
            )
        except ResourceNotFoundError:
            self._dynamic.resources.invalidate_cache()
            return False
        return True

    def unready(self) -> tuple[str, ...]:
        """Deployments that do not have all their replicas, and APIs that do not answer."""
        try:
            deployments = client.AppsV1Api(self._api).list_deployment_for_all_namespaces().items
            services = client.ApiregistrationV1Api(self._api).list_api_service().items
        except (ApiException, HTTPError) as error:
            return (f"the API server: {error}",)
        return (
            *(f"{each.metadata.namespace}/{each.metadata.name}" for each in deployments if not _available(each)),
            *(
                each.metadata.name
                for each in services
                if not any(
                    state.type == "Available" and state.status == "True" for state in each.status.conditions or ()
                )
            ),
        )


def _available(deployment: Any) -> bool:
    """As `kubectl rollout status` would say: of its newest description, and none missing."""
    status = deployment.status
    counts = (status.updated_replicas or 0, status.available_replicas or 0)
    seen: bool = status.observed_generation == deployment.metadata.generation
    return seen and min(counts) >= deployment.spec.replicas
