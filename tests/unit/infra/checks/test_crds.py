"""Kinds that operators add."""

from __future__ import annotations

from infra.checks.schemas import crds
from infra.checks.schemas.kubernetes import OBJECT_META

CHART = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.example.org
  labels:
    app: '{{ template "name" . }}'
    # Generated labels {{- include "labels" . | nindent 4 }}
spec:
  group: example.org
  names: {kind: Widget, plural: widgets}
  versions:
    - name: v1
      served: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            apiVersion: {type: string}
            kind: {type: string}
            metadata: {type: object}
            spec:
              type: object
              properties:
                operator: {type: string, enum: [=, "!="]}
    - name: v1alpha1
      served: false
      schema: {openAPIV3Schema: {type: object}}
status: {acceptedNames: {kind: "", plural: ""}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: beside}
"""
NAMED = {OBJECT_META: {"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": False}}


def test_a_chart_is_read_as_manifests() -> None:
    """Without template lines, without what they leave empty, without the status that a server would refuse to take."""
    (crd,) = crds.documents(CHART)
    assert crd["metadata"] == {"name": "widgets.example.org"}
    assert "status" not in crd


def test_an_equals_sign_is_text() -> None:
    """prometheus-operator has it in an enum, and YAML 1.1 means something else by it."""
    (crd,) = crds.documents(CHART)
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert spec["properties"]["operator"]["enum"] == ["=", "!="]


def test_served_versions_have_a_schema() -> None:
    """A version that no server serves is an unknown kind."""
    made = crds.schemas(crds.documents(CHART), NAMED)
    assert set(made) == {"example.org/widget_v1.json"}
    widget = made["example.org/widget_v1.json"]
    assert widget["additionalProperties"] is False
    assert widget["properties"]["kind"] == {"enum": ["Widget"]}
    assert widget["properties"]["spec"]["additionalProperties"] is False


def test_metadata_is_checked_like_that_of_any_object() -> None:
    """The CRD itself says only that it is an object."""
    widget = crds.schemas(crds.documents(CHART), NAMED)["example.org/widget_v1.json"]
    assert widget["properties"]["metadata"] == NAMED[OBJECT_META]
