"""Where schemas are kept."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from infra.checks.schemas import sources, store
from infra.lab.toolchain import build, tools

SWAGGER = {"definitions": {"io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {"type": "object"}}}
CRD = """
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  names: {kind: Widget}
  versions: [{name: v1, served: true, schema: {openAPIV3Schema: {type: object}}}]
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Modules with little in them; returns which were asked for."""
    asked: list[object] = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MILLRACE_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / sources.SWAGGER).parent.mkdir(parents=True)
    (tmp_path / sources.SWAGGER).write_text(json.dumps(SWAGGER))
    for source in sources.CRDS:
        (tmp_path / source.folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / source.folder / "crd.yaml").write_text(CRD)

    def go_module(module: object, _: object) -> Path:
        asked.append(module)
        return tmp_path

    monkeypatch.setattr(store, "go_module", go_module)
    return asked


def test_schemas_and_crds_are_made_once(modules: list[object]) -> None:
    """Kubeconform's template leads to the file of a kind; later calls read the cache."""
    template = store.schema_location()
    filled = template.replace("{{.Group}}", "example.org").replace("{{.ResourceKind}}", "widget")
    schema = json.loads(Path(filled.replace("{{.ResourceAPIVersion}}", "v1")).read_text())
    assert schema["properties"]["kind"] == {"enum": ["Widget"]}
    assert [crd["metadata"]["name"] for crd in store.crd_documents()] == ["widgets.example.org"] * len(sources.CRDS)
    assert modules == [sources.KUBERNETES, *(source.module for source in sources.CRDS)]


def test_another_version_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a raised version would go on with the old schemas."""
    before = store.key()
    monkeypatch.setattr(store, "CRDS", store.CRDS[1:])
    assert store.key() != before


def test_the_devcluster_runs_the_version_of_the_schemas() -> None:
    """One line of Kubernetes: what is checked is what is run."""
    folder = build.module(tools.find("kube-apiserver"))
    assert re.findall(r"k8s\.io/kubernetes (v\S+)", (folder / "go.mod").read_text()) == [sources.KUBERNETES.version]
