"""Certificates by cert-manager: one authority of our own, one certificate a component, renewed without us."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta import v1 as meta

from infra import naming
from infra.components.component import Component
from infra.settings.stack import Stack

API_VERSION = "cert-manager.io/v1"
#: By this name a pod asks itself whether it is well, and `kubectl port-forward` reaches it.
LOCALHOST = "localhost"
#: A leaf lives for 90 days and is renewed 30 days before its end: a month in which somebody may notice a failure.
LEAF_DURATION, LEAF_RENEW_BEFORE = "2160h", "720h"
AUTHORITY_DURATION, AUTHORITY_RENEW_BEFORE = "87600h", "8760h"
_KEY = {"algorithm": "ECDSA", "size": 256}


class Certificates(Component):
    """The authority. Its key stays in cert-manager's namespace; components ask it for leaves."""

    def __init__(self, stack: Stack, *, after: Sequence[pulumi.Resource]) -> None:
        """A self-signed issuer signs the authority, which signs everything else."""
        super().__init__("certificates", stack, after=after)
        labels = naming.labels(naming.ISSUER, stack.environment)
        root = CustomResource(
            "self-signed",
            api_version=API_VERSION,
            kind="ClusterIssuer",
            metadata=meta.ObjectMetaArgs(name="millrace-self-signed", labels=labels),
            spec={"selfSigned": {}},
            opts=self.child(),
        )
        authority = CustomResource(
            naming.ISSUER,
            api_version=API_VERSION,
            kind="Certificate",
            metadata=meta.ObjectMetaArgs(
                name=naming.ISSUER, namespace=stack.cluster.cert_manager_namespace, labels=labels
            ),
            spec={
                "isCA": True,
                "commonName": f"Millrace {stack.environment}",
                "secretName": naming.ISSUER,
                "duration": AUTHORITY_DURATION,
                "renewBefore": AUTHORITY_RENEW_BEFORE,
                # A new key would make every leaf invalid at once; the authority's key is replaced by a runbook.
                "privateKey": {**_KEY, "rotationPolicy": "Never"},
                "usages": ["cert sign", "crl sign"],
                "issuerRef": {"name": "millrace-self-signed", "kind": "ClusterIssuer"},
            },
            opts=self.keeper(after=[root]),
        )
        self.issuer = CustomResource(
            f"{naming.ISSUER}-issuer",
            api_version=API_VERSION,
            kind="ClusterIssuer",
            metadata=meta.ObjectMetaArgs(name=naming.ISSUER, labels=labels),
            spec={"ca": {"secretName": naming.ISSUER}},
            opts=self.child(after=[authority]),
        )
        for namespace in naming.NAMESPACES:
            self.leaf(naming.AUTHORITY, [f"{naming.AUTHORITY}.{namespace}"], namespace=namespace)
        self.register_outputs({})

    def leaf(
        self,
        component: str,
        names: Sequence[str],
        *,
        namespace: str | None = None,
        client: bool = False,
        labels: Mapping[str, str] | None = None,
    ) -> CustomResource:
        """A component's certificate, in the Secret `<component>-tls`, for the DNS names it is reached by.

        `client`: it also proves itself to others with it (nodes of a cluster among themselves). `labels`: of the
        Secret.
        """
        namespace = namespace or naming.namespace_of(component)
        return CustomResource(
            f"{namespace}-{naming.tls_secret(component)}",
            api_version=API_VERSION,
            kind="Certificate",
            metadata=meta.ObjectMetaArgs(
                name=naming.tls_secret(component),
                namespace=namespace,
                labels=naming.labels(component, self.stack.environment),
            ),
            spec={
                "secretName": naming.tls_secret(component),
                **({"secretTemplate": {"labels": dict(labels)}} if labels else {}),
                "commonName": component,
                "dnsNames": list(names),
                "duration": LEAF_DURATION,
                "renewBefore": LEAF_RENEW_BEFORE,
                "privateKey": {**_KEY, "rotationPolicy": "Always"},
                "usages": ["digital signature", "server auth", *(["client auth"] if client else [])],
                "issuerRef": {"name": naming.ISSUER, "kind": "ClusterIssuer"},
            },
            opts=self.child(after=[self.issuer]),
        )
