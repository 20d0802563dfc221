"""Which ingress classes are known to speak HTTPS to the gateway, and how each is told to; and their limits of a body.

The gateway has no plain port. A controller that nobody tells so answers 502, and one with a small limit refuses lists
and uploads with 413. From the controllers' own documentation; only skipper was tried here, on the devcluster.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: The largest body that the gateway takes: an upload (app/settings.py: upload_max_bytes).
BODY_MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class IngressClass:
    """One controller."""

    #: The annotation that makes it speak HTTPS, what it must say, and on which object it stands.
    annotation: str
    value: str
    on: Literal["Ingress", "Service"] = "Ingress"
    #: The annotation with its limit of a body; without, it has none.
    body_limit: str | None = None

    def speaks_https(self, annotations: Mapping[str, str]) -> bool:
        """Whether these annotations make it do so."""
        return "".join(annotations.get(self.annotation, "").split()).casefold() == self.value.casefold()

    def body_fits(self, annotations: Mapping[str, str]) -> bool:
        """Whether it lets the gateway's largest body through."""
        return self.body_limit is None or _bytes(annotations.get(self.body_limit, "")) >= BODY_MAX_BYTES


#: By the name of the class, or what stands before its first hyphen: `traefik-internal` is a traefik.
CLASSES: Mapping[str, IngressClass] = {
    "skipper": IngressClass(annotation="zalando.org/skipper-backend-protocol", value="https"),
    "traefik": IngressClass(
        annotation="traefik.ingress.kubernetes.io/service.serversscheme", value="https", on="Service"
    ),
    "haproxy": IngressClass(annotation="haproxy.org/server-ssl", value="true"),
    "alb": IngressClass(annotation="alb.ingress.kubernetes.io/backend-protocol", value="HTTPS"),
    "gce": IngressClass(annotation="cloud.google.com/app-protocols", value='{"https":"HTTPS"}', on="Service"),
    # F5's. The community's ingress-nginx, with annotations of nginx.ingress.kubernetes.io, is retired since March 2026.
    "nginx": IngressClass(
        annotation="nginx.org/ssl-services", value="gateway", body_limit="nginx.org/client-max-body-size"
    ),
}
#: GKE's controller does not look at `spec.ingressClassName`.
CLASS_ANNOTATION = "kubernetes.io/ingress.class"

_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def known(name: str) -> IngressClass | None:
    """The class of this name."""
    return CLASSES.get(name) or CLASSES.get(name.partition("-")[0])


def named_by_annotation(name: str) -> bool:
    """Whether an Ingress names this class by `CLASS_ANNOTATION` alone."""
    return name.partition("-")[0] == "gce"


def _bytes(size: str) -> float:
    """As nginx writes it; 0 there means no limit. Without a word it is 1 MiB."""
    found = re.fullmatch(r"(\d+)([kmg]?)", size.strip().casefold())
    if found is None:
        return 1024**2
    return int(found[1]) * _UNITS[found[2]] or float("inf")
