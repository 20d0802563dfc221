"""The Go programs, in one table. A tool's folder holds the go.mod and go.sum that pin it; tools may share a folder."""

from __future__ import annotations

from dataclasses import dataclass

from infra.lab.toolchain.errors import ToolError


@dataclass(frozen=True)
class GoTool:
    """One program; `name` is its file's name."""

    name: str
    #: The package with its `main`.
    package: str
    #: How long the first build takes, for the person who waits.
    about_seconds: int
    #: The folder beside this module with go.mod and go.sum; the name, if it is not given.
    folder: str = ""
    ldflags: str = "-s -w"
    tags: tuple[str, ...] = ()
    #: Further flags of `go build`, such as -mod=mod where a module's own go.mod is not tidy.
    flags: tuple[str, ...] = ()
    #: Without cgo the program is static, needs no C compiler and runs in any image.
    cgo: bool = False
    #: Files that a main of ours embeds, out of a module that it requires: the module, and the files' paths in it.
    embeds: tuple[str, tuple[str, ...]] | None = None


#: Kubernetes' programs ask for their own version where they are built; without it clients see v0.0.0.
_KUBERNETES = "k8s.io/component-base/version.git"
_KUBERNETES_VERSION = f"-X {_KUBERNETES}Version=v1.34.4 -X {_KUBERNETES}Major=1 -X {_KUBERNETES}Minor=34"


def _kubernetes(name: str, about_seconds: int) -> GoTool:
    return GoTool(
        name,
        f"k8s.io/kubernetes/cmd/{name}",
        about_seconds=about_seconds,
        folder="kubernetes",
        ldflags=f"-s -w {_KUBERNETES_VERSION}",
    )


def _calico(name: str, package: str, about_seconds: int) -> GoTool:
    return GoTool(name, package, about_seconds=about_seconds, folder="calico")


def _cni(name: str, kind: str) -> GoTool:
    package = f"github.com/containernetworking/plugins/plugins/{kind}/{name}"
    return GoTool(name, package, about_seconds=10, folder="cni-plugins")


TOOLS: tuple[GoTool, ...] = (
    GoTool("etcd", "go.etcd.io/etcd/server/v3", about_seconds=30),
    # The first of them compiles what all share.
    _kubernetes("kube-apiserver", 180),
    _kubernetes("kube-controller-manager", 30),
    _kubernetes("kube-scheduler", 15),
    _kubernetes("kubelet", 40),
    _kubernetes("kube-proxy", 10),
    _kubernetes("kubectl", 10),
    GoTool("pause", "millrace.dev/toolchain/pause", about_seconds=3),
    GoTool("volume-folder", "millrace.dev/toolchain/volume-folder", about_seconds=3),
    GoTool("coredns", "github.com/coredns/coredns", about_seconds=110),
    GoTool("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server", about_seconds=90),
    _calico("calico-felix", "github.com/projectcalico/calico/felix/cmd/calico-felix", 150),
    # What a container runtime calls to give a pod its network, under names that are fixed.
    _calico("calico", "github.com/projectcalico/calico/cni-plugin/cmd/calico", 30),
    _cni("host-local", "ipam"),
    _cni("loopback", "main"),
    #: The S3 server of the local stack and of staging.
    GoTool("versitygw", "github.com/versity/versitygw/cmd/versitygw", about_seconds=90),
    GoTool("skipper", "github.com/zalando/skipper/cmd/skipper", about_seconds=60),
    GoTool("local-path-provisioner", "github.com/rancher/local-path-provisioner", about_seconds=40),
    GoTool(
        "cert-manager-controller",
        "github.com/cert-manager/cert-manager/cmd/controller",
        about_seconds=100,
        folder="cert-manager",
    ),
    GoTool("keda-operator", "github.com/kedacore/keda/v2/cmd/operator", about_seconds=500, folder="keda"),
    GoTool("keda-adapter", "github.com/kedacore/keda/v2/cmd/adapter", about_seconds=40, folder="keda"),
    GoTool("kind", "sigs.k8s.io/kind", about_seconds=20),
    # A registry, for tests of pushing.
    GoTool("registry", "millrace.dev/toolchain/distribution", about_seconds=60, folder="distribution"),
    GoTool(
        "kubeconform",
        "github.com/yannh/kubeconform/cmd/kubeconform",
        about_seconds=45,
        ldflags="-s -w -X main.version=v0.8.0",
    ),
    GoTool(
        "pulumi",
        "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        about_seconds=170,
        # The SDK refuses a CLI that does not know its version.
        ldflags="-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=3.246.0",
    ),
    GoTool(
        "pulumi-resource-kubernetes",
        "millrace.dev/toolchain/pulumi-kubernetes",
        about_seconds=400,
        folder="pulumi-kubernetes",
        ldflags="-s -w -X main.version=4.25.0",
        embeds=(
            "github.com/pulumi/pulumi-kubernetes/provider/v4",
            (
                "cmd/pulumi-resource-kubernetes/schema.json",
                "cmd/pulumi-resource-kubernetes/terraform-mapping.json",
            ),
        ),
    ),
)


def find(name: str) -> GoTool:
    """The tool of this name.

    Raises:
        ToolError: the table has none; the message names those that it has.
    """
    known = {tool.name: tool for tool in TOOLS}
    if name not in known:
        raise ToolError(f"there is no tool {name!r}; there are: {', '.join(sorted(known))}")
    return known[name]
