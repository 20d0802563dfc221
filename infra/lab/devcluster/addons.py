"""Add-ons of the cluster: network policies, DNS, metrics, storage, certificates, KEDA, the ingress."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

import yaml

from infra.lab.devcluster.masters import Find
from infra.lab.devcluster.node import PAUSE_IMAGE
from infra.lab.toolchain import GoModule, go_module

FOLDER = Path(__file__).parent / "addons"
#: In this order; the first are waited for by the nodes.
NAMES = ("calico", "coredns", "metrics-server", "local-path", "cert-manager", "keda", "ingress", "monitoring")
#: Programs that addons mount from the toolchain's folders.
PROGRAMS = (
    "coredns",
    "metrics-server",
    "local-path-provisioner",
    "volume-folder",
    "cert-manager-controller",
    "keda-operator",
    "keda-adapter",
    "skipper",
)
CALICO = GoModule(
    "github.com/projectcalico/calico",
    "v1.11.0-cni-plugin.0.20250813170300-a0db560f0520",
    "h1:TXnPEzx4pLWgwzCetIO/VJuz4iBZZrOdNSv16a50YqE=",
)
CERT_MANAGER = GoModule(
    "github.com/cert-manager/cert-manager", "v1.11.5", "h1:K2LurvwIE4hIhODQZnkOW6ljYe3lVMAliS/to+gI05o="
)
KEDA = GoModule("github.com/kedacore/keda/v2", "v2.21.0", "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=")
PROMETHEUS_OPERATOR = GoModule(
    "github.com/prometheus-operator/prometheus-operator",
    "v0.85.0",
    "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
)
#: What a deployment brings of Prometheus' kinds. Nobody acts on them here: what is scraped and what alarms is data.
_MONITORING_KINDS = ("podmonitors", "prometheusrules", "servicemonitors")
#: On each node, for who comes from outside.
INGRESS_PORT = 30443
#: How metrics-server checks whom it asks. Our kubelets have certificates of the cluster's authority.
OUR_KUBELETS = "--kubelet-certificate-authority=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
_CALICO_KINDS = frozenset({"CustomResourceDefinition", "ClusterRole"})


def manifests(name: str, find: Find, *, kubelets: str = OUR_KUBELETS) -> Iterator[dict[str, Any]]:
    """An addon's objects, its CRDs first."""
    match name:
        case "calico":
            published = documents((go_module(CALICO) / "manifests" / "calico.yaml").read_text())
            yield from (each for each in published if each["kind"] in _CALICO_KINDS)
        case "cert-manager":
            yield from definitions(go_module(CERT_MANAGER) / "deploy" / "crds")
        case "keda":
            yield from definitions(go_module(KEDA) / "config" / "crd" / "bases")
        case "monitoring":
            folder = go_module(PROMETHEUS_OPERATOR) / "example" / "prometheus-operator-crd"
            for kind in _MONITORING_KINDS:
                yield from documents((folder / f"monitoring.coreos.com_{kind}.yaml").read_text())
    folders = {program: str(find(program).parent) for program in PROGRAMS}
    yield from documents(
        filled(
            (FOLDER / f"{name}.yaml").read_text(), {**folders, "kubelets": kubelets, "ingress-port": str(INGRESS_PORT)}
        )
    )


def filled(text: str, values: Mapping[str, str]) -> str:
    """A manifest with what it leaves open: the folders of programs above all."""
    return _Template(text).substitute(values, image=PAUSE_IMAGE)


class _Template(Template):
    """Programs have dashes in their names."""

    idpattern = "[a-z][-a-z]*"


def documents(text: str) -> Iterator[dict[str, Any]]:
    """The objects of a YAML file."""
    return (each for each in yaml.safe_load_all(text) if each)


def definitions(folder: Path) -> Iterator[dict[str, Any]]:
    """The CRDs of a folder. Some are templates of a chart: without the lines of its language they are plain."""
    for file in sorted(folder.glob("*.yaml")):
        lines = file.read_text().splitlines(keepends=True)
        for each in documents("".join(line for line in lines if "{{" not in line)):
            if each["kind"] == "CustomResourceDefinition":
                yield each
