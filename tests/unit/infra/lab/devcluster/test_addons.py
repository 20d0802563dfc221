"""The manifests of the addons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.lab.devcluster import addons
from infra.lab.devcluster.layout import DNS_ADDRESS
from infra.lab.devcluster.node import PAUSE_IMAGE
from infra.lab.toolchain.tools import TOOLS


def _objects(name: str) -> list[dict[str, Any]]:
    values = {program: f"/tools/{program}" for program in addons.PROGRAMS} | {
        "kubelets": addons.OUR_KUBELETS,
        "ingress-port": str(addons.INGRESS_PORT),
    }
    text = (addons.FOLDER / f"{name}.yaml").read_text()
    return list(addons.documents(addons.filled(text, values)))


EVERY = [(name, each) for name in addons.NAMES for each in _objects(name)]
DEPLOYMENTS = [each for _, each in EVERY if each["kind"] == "Deployment"]


def test_every_file_is_applied() -> None:
    """One that is not in the list would be forgotten in silence."""
    assert {file.stem for file in addons.FOLDER.glob("*.yaml")} == set(addons.NAMES)


def test_every_program_is_built() -> None:
    """And has the name that the toolchain gives its file."""
    assert set(addons.PROGRAMS) <= {tool.name for tool in TOOLS}


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda each: each["metadata"]["name"])
def test_a_deployment_runs_a_mounted_program_in_our_image(deployment: dict[str, Any]) -> None:
    """No addon may want an image from a registry."""
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["image"] == PAUSE_IMAGE
    assert container["imagePullPolicy"] == "Never"
    (folder,) = (each["hostPath"]["path"] for each in spec["volumes"] if each["name"] == "program")
    assert container["command"][0] == f"/program/{Path(folder).name}"


def test_dns_is_where_kubelets_say() -> None:
    """They tell every pod this address."""
    (service,) = (each for name, each in EVERY if name == "coredns" and each["kind"] == "Service")
    assert service["spec"]["clusterIP"] == DNS_ADDRESS


def test_an_unknown_program_is_refused() -> None:
    """Better than a pod that waits for a folder for ever."""
    with pytest.raises(KeyError, match="nothing"):
        addons.filled("${nothing}", {})


def test_lines_of_a_charts_language_are_left_out(tmp_path: Path) -> None:
    """cert-manager publishes its definitions as templates."""
    text = "kind: CustomResourceDefinition\nmetadata:\n  name: a\n  {{- if .x }}\n  labels: {}\n  {{- end }}\n"
    (tmp_path / "a.yaml").write_text(text)
    assert [each["metadata"]["name"] for each in addons.definitions(tmp_path)] == ["a"]
