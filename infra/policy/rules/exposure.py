"""The way in: the gateway's, and no other."""

from __future__ import annotations

from collections.abc import Iterator

from infra import naming
from infra.policy.manifests import at, component, items, kind, mappings
from infra.policy.model import Context, Finding, Manifest, ResourceRule


def _services(manifest: Manifest, _: Context) -> Iterator[Finding]:
    if kind(manifest) != "Service":
        return
    kind_of_service = at(manifest, "spec", "type") or "ClusterIP"
    gateway = kind_of_service == "LoadBalancer" and component(manifest) == naming.GATEWAY
    if kind_of_service != "ClusterIP" and not gateway:
        yield Finding(
            manifest, "spec.type", kind_of_service, "leave it out; what comes from outside goes to the gateway"
        )
    if addresses := at(manifest, "spec", "externalIPs"):
        yield Finding(manifest, "spec.externalIPs", addresses, "leave it out")


def _ingresses(manifest: Manifest, _: Context) -> Iterator[Finding]:
    if kind(manifest) != "Ingress":
        return
    backends = [("spec.defaultBackend", at(manifest, "spec", "defaultBackend"))]
    secured = {str(host) for entry in mappings(at(manifest, "spec", "tls")) for host in items(entry.get("hosts"))}
    for index, rule in enumerate(items(at(manifest, "spec", "rules"))):
        host, path = str(at(rule, "host") or ""), f"spec.rules[{index}]"
        if not host or "*" in host:
            yield Finding(manifest, f"{path}.host", host, "name the host")
        elif host not in secured:
            yield Finding(manifest, "spec.tls", sorted(secured), f"add {host} with its certificate's secret")
        backends += [(f"{path}.http.paths", at(entry, "backend")) for entry in mappings(at(rule, "http", "paths"))]
    for path, backend in backends:
        service = at(backend, "service", "name")
        if backend is not None and service != naming.GATEWAY:
            yield Finding(manifest, path, service, "only the gateway is for the outside")


RULES = (
    ResourceRule(
        name="services-inside",
        description="No Service but the gateway's is of type LoadBalancer; none is NodePort or ExternalName.",
        reason="A broker's or a database's port on the internet is found within minutes.",
        check=_services,
    ),
    ResourceRule(
        name="ingress-to-gateway",
        description="Every Ingress leads to the gateway, for named hosts, each with TLS.",
        reason="The gateway checks keys, limits and sizes; Flower and management pages are for port forwarding.",
        check=_ingresses,
    ),
)
