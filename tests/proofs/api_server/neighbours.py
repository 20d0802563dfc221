"""What a cluster for Millrace has before us: the kinds of its neighbours, and their namespaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from infra.checks.schemas.store import crd_documents
from infra.lab.devcluster.waiting import until

ACCEPTED = (409,)


def prepare(api: client.ApiClient) -> None:
    """The neighbours' kinds and namespaces, as a cluster for Millrace has them."""
    extensions = client.ApiextensionsV1Api(api)
    for crd in crd_documents():
        _unless_there(extensions.create_custom_resource_definition, crd)
    _unless_there(client.CoreV1Api(api).create_namespace, {"metadata": {"name": "cert-manager"}})

    def established() -> bool:
        found = extensions.list_custom_resource_definition().items
        return all(
            any(one.type == "Established" and one.status == "True" for one in crd.status.conditions or ())
            for crd in found
        )

    until("every CRD is established", established, 300)


def _unless_there(create: Callable[[Any], Any], body: Any) -> None:
    try:
        create(body)
    except ApiException as error:
        if error.status not in ACCEPTED:
            raise
