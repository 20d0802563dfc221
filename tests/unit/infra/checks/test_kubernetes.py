"""Kubernetes' own kinds."""

from __future__ import annotations

from typing import Any

import pytest

from infra.checks.schemas import kubernetes
from infra.checks.schemas.kubernetes import OBJECT_META, QUANTITY, file_name, references, standalone

SWAGGER: dict[str, Any] = {
    "definitions": {
        OBJECT_META: {"type": "object", "properties": {"name": {"type": "string"}}},
        QUANTITY: {"type": "string"},
        "Spec": {"type": "object", "properties": {"cpu": {"$ref": f"#/definitions/{QUANTITY}"}}},
        "Tree": {"type": "object", "properties": {"inner": {"items": {"$ref": "#/definitions/Tree"}}}},
        "Thing": {
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"$ref": f"#/definitions/{OBJECT_META}"},
                "spec": {"$ref": "#/definitions/Spec"},
            },
            "x-kubernetes-group-version-kind": [
                {"group": "", "version": "v1", "kind": "Thing"},
                {"group": "events.k8s.io", "version": "v1", "kind": "Thing"},
            ],
        },
        "DeleteOptions": {"x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "DeleteOptions"}]},
    }
}


@pytest.mark.parametrize(
    ("api_version", "expected"),
    [("v1", "v1/pod_v1.json"), ("networking.k8s.io/v1", "networking.k8s.io/pod_v1.json")],
)
def test_file_names(api_version: str, expected: str) -> None:
    """As kubeconform fills in the template: without a group, `Group` is the version."""
    assert file_name(api_version, "Pod") == expected


def test_every_group_of_a_kind_has_a_file_and_what_is_no_object_has_none() -> None:
    """`DeleteOptions` has no metadata, so nobody can write it as a manifest."""
    assert set(kubernetes.schemas(SWAGGER)) == {"v1/thing_v1.json", "events.k8s.io/thing_v1.json"}


def test_references_are_resolved_in_place() -> None:
    """Of a reference kubeconform says only that validation failed, not why."""
    made = kubernetes.schemas(SWAGGER)["v1/thing_v1.json"]
    assert "definitions" not in made
    assert made["properties"]["apiVersion"] == {"enum": ["v1"]}
    assert made["properties"]["metadata"]["additionalProperties"] is False
    assert made["properties"]["spec"]["properties"]["cpu"] == {"type": ["string", "number"]}


def test_a_quantity_may_be_a_number() -> None:
    """`cpu: 1` is good YAML for it, although swagger.json says text."""
    assert kubernetes.definitions(SWAGGER)[QUANTITY] == {"type": ["string", "number"]}


def test_a_definition_may_hold_itself() -> None:
    """As the schema of a CRD's schema does: one level is put in place, the rest stays a definition."""
    named = kubernetes.definitions(SWAGGER)
    made = standalone({"$ref": "#/definitions/Tree"}, named)
    assert made == {**named["Tree"], "definitions": {"Tree": named["Tree"]}}


def test_references_are_found_wherever_a_schema_can_be() -> None:
    """One that is missed would make a schema that cannot be read."""
    names = iter("abcdefg")

    def reference() -> dict[str, str]:
        return {"$ref": f"#/definitions/{next(names)}"}

    schema = {
        "properties": {"x": reference()},
        "items": reference(),
        "additionalProperties": reference(),
        "not": reference(),
        "allOf": [reference()],
        "anyOf": [reference()],
        "oneOf": [reference()],
    }
    assert references(schema) == set("abcdefg")
