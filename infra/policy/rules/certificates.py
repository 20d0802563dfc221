"""Certificates: what they are for, and a new key each time."""

from __future__ import annotations

from collections.abc import Iterator

from infra.policy.manifests import at, group, items, kind
from infra.policy.model import Context, Finding, Manifest, ResourceRule


def _is_certificate(manifest: Manifest) -> bool:
    return kind(manifest) == "Certificate" and group(manifest) == "cert-manager.io"


def _rotated(manifest: Manifest, _: Context) -> Iterator[Finding]:
    if not _is_certificate(manifest):
        return
    policy, authority = at(manifest, "spec", "privateKey", "rotationPolicy"), at(manifest, "spec", "isCA")
    if policy != "Always" and not (authority and policy == "Never"):
        advice = (
            "say it; an authority may keep its key (Never), because all trust hangs on it"
            if authority
            else "set it to Always"
        )
        yield Finding(manifest, "spec.privateKey.rotationPolicy", policy, advice)


def _usages(manifest: Manifest, _: Context) -> Iterator[Finding]:
    if not _is_certificate(manifest):
        return
    usages, authority = (
        {str(usage) for usage in items(at(manifest, "spec", "usages"))},
        bool(at(manifest, "spec", "isCA")),
    )
    if not usages or "any" in usages:
        advice = "name what it is for: server auth, client auth, or cert sign"
        yield Finding(manifest, "spec.usages", sorted(usages), advice)
    elif authority != ("cert sign" in usages):
        yield Finding(
            manifest, "spec.usages", sorted(usages), "`cert sign` is an authority's (isCA), and only an authority's"
        )


def _own_issuer(manifest: Manifest, _: Context) -> Iterator[Finding]:
    advice = "use an Issuer in the namespace: it signs for nobody else"
    if kind(manifest) == "ClusterIssuer" and group(manifest) == "cert-manager.io":
        yield Finding(manifest, "kind", "ClusterIssuer", advice)
    elif _is_certificate(manifest) and (found := at(manifest, "spec", "issuerRef", "kind")) == "ClusterIssuer":
        yield Finding(manifest, "spec.issuerRef.kind", found, advice)


RULES = (
    ResourceRule(
        name="certificate-key-rotated",
        description="Every certificate says what happens to its key; only an authority's may stay.",
        reason="A key that was stolen once must not work after the next renewal.",
        check=_rotated,
    ),
    ResourceRule(
        name="certificate-usages",
        description="Every certificate says what it is for; only an authority signs.",
        reason="A worker's stolen certificate must not be a server's, and never an authority's.",
        check=_usages,
    ),
    ResourceRule(
        name="issuer-own-namespace",
        description="No certificate of ours comes from a ClusterIssuer, and none is made.",
        reason="Whoever may create a Certificate in any namespace of the cluster could be RabbitMQ or PostgreSQL.",
        check=_own_issuer,
    ),
)
