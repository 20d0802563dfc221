"""Certificates by cert-manager: one authority of our own, one certificate a component, renewed without us."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from infra import naming
from infra.authority import Pair, authority
from infra.components.component import Component, Part
from infra.components.files import content_hash
from infra.components.passwords import Passwords
from infra.ground import Ground
from infra.settings.rotation import AUTHORITY
from infra.settings.stack import Stack

API_VERSION = "cert-manager.io/v1"
#: By this name a pod asks itself whether it is well, and `kubectl port-forward` reaches it.
LOCALHOST = "localhost"
#: A leaf lives for 90 days and is renewed 30 days before its end: a month in which somebody may notice a failure.
LEAF_DURATION, LEAF_RENEW_BEFORE = "2160h", "720h"
_KEY = {"algorithm": "ECDSA", "size": 256}


class Certificates(Component):
    """In each of our namespaces an issuer over our authority, and a Secret with the authorities that all trust.

    While the authority is rotated both are trusted and the first one signs. A leaf names its issuer, and an issuer has
    its authority's generation in its name: so cert-manager makes every leaf anew when another authority signs.
    """

    def __init__(self, stack: Stack, passwords: Passwords, *, after: Sequence[pulumi.Resource]) -> None:
        """The issuers, and what clients trust."""
        super().__init__("certificates", stack, after=after)
        pairs = [
            seed.apply(lambda value: authority(value, f"Millrace {stack.environment}"))
            for seed in passwords.authority_seeds()
        ]
        trusted = pulumi.Output.all(*pairs).apply(_bundle)
        #: Changes with the authorities that are trusted; who reads them once starts anew.
        self.trust = content_hash({"ca.crt": trusted})
        self.issuers = {namespace: self._issuer(namespace, pairs[0]) for namespace in naming.NAMESPACES}
        self.bundles = [
            self._secret(
                naming.tls_secret(naming.AUTHORITY), namespace, {"ca.crt": trusted}, {"cnpg.io/reload": "true"}
            )
            for namespace in naming.NAMESPACES
        ]
        self.register_outputs({})

    def _issuer(self, namespace: str, pair: pulumi.Output[Pair]) -> CustomResource:
        name = naming.issuer(self.stack.generations(AUTHORITY)[0])
        files = {
            "tls.crt": pair.apply(lambda made: made.certificate.decode()),
            "tls.key": pair.apply(lambda made: made.key.decode()),
        }
        key = self._secret(name, namespace, files, type_="kubernetes.io/tls")
        return CustomResource(
            f"{namespace}-{name}-issuer",
            api_version=API_VERSION,
            kind="Issuer",
            metadata=meta.ObjectMetaArgs(
                name=name, namespace=namespace, labels=naming.labels(naming.ISSUER, self.stack.environment)
            ),
            spec={"ca": {"secretName": name}},
            opts=self.child(after=[key]),
        )

    def _secret(
        self,
        name: str,
        namespace: str,
        files: Mapping[str, pulumi.Input[str]],
        labels: Mapping[str, str] | None = None,
        *,
        type_: str = "Opaque",
    ) -> core.Secret:
        return core.Secret(
            f"{namespace}-{name}",
            metadata=meta.ObjectMetaArgs(
                name=name,
                namespace=namespace,
                labels=naming.labels(naming.ISSUER, self.stack.environment) | dict(labels or {}),
            ),
            type=type_,
            string_data=files,
            opts=self.child(),
        )

    def leaf(
        self,
        component: str,
        names: Sequence[str],
        *,
        client: bool = False,
        labels: Mapping[str, str] | None = None,
    ) -> CustomResource:
        """A component's certificate, in the Secret `<component>-tls`, for the DNS names it is reached by.

        `client`: it also proves itself to others with it (nodes of a cluster among themselves). `labels`: of the
        Secret.
        """
        issuer = naming.issuer(self.stack.generations(AUTHORITY)[0])
        after = [self.issuers[naming.namespace_of(component)]]
        return _leaf(self, issuer, component, names, client=client, labels=labels, after=after)


class Issuer(Part):
    """An issuer of cert-manager that the namespace has already; its authority is in the Secret `authority-tls`."""

    def __init__(
        self,
        ground: Ground,
        issuer: str,
        *,
        trust: pulumi.Input[str] = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`trust` is another text whenever other authorities are trusted."""
        super().__init__(issuer, ground, opts=opts)
        self.issuer, self.trust = issuer, trust

    def leaf(self, component: str, names: Sequence[str], *, client: bool = False) -> CustomResource:
        """A component's certificate, in the Secret `<component>-tls`."""
        return _leaf(self, self.issuer, component, names, client=client)


def _leaf(
    parent: Part,
    issuer: str,
    component: str,
    names: Sequence[str],
    *,
    client: bool,
    labels: Mapping[str, str] | None = None,
    after: Sequence[pulumi.Resource] = (),
) -> CustomResource:
    namespace, secret = parent.ground.namespace_of(component), naming.tls_secret(component)
    return CustomResource(
        f"{namespace}-{secret}",
        api_version=API_VERSION,
        kind="Certificate",
        metadata=meta.ObjectMetaArgs(
            name=secret, namespace=namespace, labels=naming.labels(component, parent.ground.environment)
        ),
        spec={
            "secretName": secret,
            **({"secretTemplate": {"labels": dict(labels)}} if labels else {}),
            "commonName": component,
            "dnsNames": list(names),
            "duration": LEAF_DURATION,
            "renewBefore": LEAF_RENEW_BEFORE,
            "privateKey": {**_KEY, "rotationPolicy": "Always"},
            "usages": ["digital signature", "server auth", *(["client auth"] if client else [])],
            "issuerRef": {"name": issuer, "kind": "Issuer"},
        },
        opts=parent.child(after=after),
    )


def _bundle(pairs: Sequence[Pair]) -> str:
    # In an order that does not say who signs: another signer is no reason to roll who trusts both.
    return "".join(sorted(pair.certificate.decode() for pair in pairs))
