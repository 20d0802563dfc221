"""The way in works: its controller speaks HTTPS to the gateway, and lets its largest body through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra import naming
from infra.ingress_classes import BODY_MAX_BYTES, CLASS_ANNOTATION, CLASSES, known
from infra.policy.manifests import at, mapping, name, namespace, of_kind
from infra.policy.model import Context, Finding, Manifest, StackRule

_RETIRED = "nginx.ingress.kubernetes.io/"


def _reaches_the_gateway(manifests: Sequence[Manifest], _: Context) -> Iterator[Finding]:
    services = {(namespace(one), name(one)): _annotations(one) for one in of_kind(manifests, "Service")}
    for ingress in of_kind(manifests, "Ingress"):
        own = _annotations(ingress)
        by_name = at(ingress, "spec", "ingressClassName")
        path = "spec.ingressClassName" if by_name else f"metadata.annotations[{CLASS_ANNOTATION}]"
        class_name = str(by_name or own.get(CLASS_ANNOTATION, ""))
        found = known(class_name)
        if found is None:
            yield Finding(
                ingress, path, class_name,
                f"known to speak HTTPS to the gateway are {', '.join(CLASSES)}; choose one, or add yours to "
                "infra/ingress_classes.py",
            )  # fmt: skip
            continue
        if retired := [key for key in own if key.startswith(_RETIRED)]:
            yield Finding(
                ingress, f"metadata.annotations[{retired[0]}]", own[retired[0]],
                "ingress-nginx, which reads it, is retired: remove it, or choose another controller",
            )  # fmt: skip
        service = services.get((namespace(ingress), naming.GATEWAY), {})
        annotations = own if found.on == "Ingress" else service
        if not found.speaks_https(annotations):
            key = "annotations" if found.on == "Ingress" else "serviceAnnotations"
            yield Finding(
                ingress, f"metadata.annotations[{found.annotation}]", annotations.get(found.annotation),
                f"{class_name} speaks HTTP to the gateway, which takes HTTPS only: write {found.annotation}: "
                f"'{found.value}' into workloads.gateway.ingress.{key}",
            )  # fmt: skip
        if not found.body_fits(own):
            yield Finding(
                ingress, f"metadata.annotations[{found.body_limit}]", own.get(str(found.body_limit)),
                f"the gateway takes uploads of {BODY_MAX_BYTES // 1024**2} MiB: write {found.body_limit}: "
                f"{BODY_MAX_BYTES // 1024**2}m into workloads.gateway.ingress.annotations",
            )  # fmt: skip


def _annotations(manifest: Manifest) -> dict[str, str]:
    return {str(key): str(value) for key, value in mapping(at(manifest, "metadata", "annotations")).items()}


RULES = (
    StackRule(
        name="ingress-reaches-gateway",
        description="The class of every Ingress is known to speak HTTPS to the gateway, is told so, and lets an upload "
        "through.",
        reason="A controller that speaks HTTP to the gateway answers everybody with 502; one with a limit of 1 MiB "
        "refuses lists and uploads.",
        check=_reaches_the_gateway,
    ),
)
