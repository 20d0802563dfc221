"""The sources of the schemas: modules that carry the files their own projects publish."""

from __future__ import annotations

from dataclasses import dataclass

from infra.lab.toolchain import GoModule

#: The version that the devcluster runs and that all manifests are checked against.
KUBERNETES_VERSION = "1.34.4"


@dataclass(frozen=True)
class CrdSource:
    """The CRDs in one folder of a module."""

    module: GoModule
    folder: str


KUBERNETES = GoModule("k8s.io/kubernetes", f"v{KUBERNETES_VERSION}", "h1:Yy6R4QB8C9kJPp25GFqEvX5XQwY5qzKeqD0Xx6oAcmk=")
SWAGGER = "api/openapi-spec/swagger.json"

CRDS: tuple[CrdSource, ...] = (
    # 1.11 is the newest line whose files are in a module that resolves; the API is the same v1 today.
    CrdSource(
        GoModule("github.com/cert-manager/cert-manager", "v1.11.5", "h1:K2LurvwIE4hIhODQZnkOW6ljYe3lVMAliS/to+gI05o="),
        "deploy/crds",
    ),
    CrdSource(
        GoModule("github.com/kedacore/keda/v2", "v2.21.0", "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps="),
        "config/crd/bases",
    ),
    CrdSource(
        GoModule(
            "github.com/prometheus-operator/prometheus-operator",
            "v0.85.0",
            "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        ),
        "example/prometheus-operator-crd",
    ),
    CrdSource(
        GoModule(
            "github.com/cloudnative-pg/cloudnative-pg", "v1.29.1", "h1:ZNEt1TMlnQKXI1kho2UqQuqdfvIvjGln4kN7C1lsmGA="
        ),
        "config/crd/bases",
    ),
    CrdSource(
        GoModule(
            "github.com/cloudnative-pg/plugin-barman-cloud",
            "v0.15.0",
            "h1:gNVytrzzYUE08wxLDrjfJqy1FPPSFkMe1OEr4s4pVI0=",
        ),
        "config/crd/bases",
    ),
)
