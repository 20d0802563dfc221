"""OpenAPI schemas as strict JSON schemas."""

from __future__ import annotations

import pytest

from infra.checks.schemas.strict import Schema, of_kind, strict

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}


def test_described_objects_are_closed_at_every_depth() -> None:
    """In fields, in items and in the values of maps."""
    inner: Schema = {"type": "object", "properties": {"a": TEXT}}
    closed = {**inner, "additionalProperties": False}
    schema: Schema = {
        "type": "object",
        "properties": {
            "field": inner,
            "list": {"type": "array", "items": inner},
            "map": {"type": "object", "additionalProperties": inner},
        },
    }
    made = strict(schema)
    assert made["additionalProperties"] is False
    assert made["properties"]["field"] == closed
    assert made["properties"]["list"]["items"] == closed
    assert made["properties"]["map"] == {"type": "object", "additionalProperties": closed}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "additionalProperties": True, "properties": {"a": TEXT}},
        {"type": "object", "additionalProperties": TEXT},
    ],
)
def test_open_objects_stay_open(schema: Schema) -> None:
    """Labels and arbitrary JSON have no described fields, or say what others may be."""
    assert strict(schema) == schema


def test_an_object_that_keeps_unknown_fields_stays_open() -> None:
    """The CRD says so: the field holds what another program understands."""
    made = strict({"type": "object", "properties": {"a": TEXT}, "x-kubernetes-preserve-unknown-fields": True})
    assert made == {"type": "object", "properties": {"a": TEXT}}


def test_alternatives_do_not_close() -> None:
    """They name some fields of the object around them; closed, they would refuse all the others."""
    alternatives: list[Schema] = [{"properties": {"a": {"enum": [1]}}, "required": ["a"]}, {"required": ["b"]}]
    schema: Schema = {"type": "object", "properties": {"a": NUMBER, "b": NUMBER}, "oneOf": alternatives}
    made = strict({**schema, "not": {"properties": {"b": {"enum": [3]}}}})
    assert made["oneOf"] == alternatives
    assert made["not"] == {"properties": {"b": {"enum": [3]}}}
    assert made["additionalProperties"] is False


def test_fields_that_are_called_like_keywords_stay() -> None:
    """A CRD has fields `properties`, `format` and `description` itself."""
    fields: Schema = {"properties": TEXT, "format": TEXT, "description": TEXT, "nullable": {"type": "boolean"}}
    made = strict({"type": "object", "description": "words", "properties": fields})
    assert made == {"type": "object", "properties": fields, "additionalProperties": False}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "format": "int-or-string"},
        {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
    ],
)
def test_a_number_or_text(schema: Schema) -> None:
    """swagger.json and CRDs say it differently."""
    assert strict(schema) == {"type": ["integer", "string"]}


def test_limits_of_a_number_or_text_stay() -> None:
    """Such as the pattern of a quantity."""
    made = strict({"x-kubernetes-int-or-string": True, "pattern": "^x$"})
    assert made == {"type": ["integer", "string"], "pattern": "^x$"}


def test_what_may_be_null() -> None:
    """Null is refused elsewhere, although the API server reads it as absent: a render should not say it."""
    assert strict({"type": "string", "enum": ["a"], "nullable": True}) == {
        "type": ["string", "null"],
        "enum": ["a", None],
    }
    assert strict(TEXT) == TEXT


def test_the_input_is_left_as_it_is() -> None:
    """The same definitions are used many times."""
    schema: Schema = {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}}
    strict(schema)
    assert schema == {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}}


def test_a_kind_is_named_exactly() -> None:
    """Kubeconform looks for files in lower case: `kind: deployment` must not pass."""
    made = of_kind({"properties": {"kind": TEXT, "spec": TEXT}, "required": ["spec"]}, "apps/v1", "Deployment")
    assert made["properties"] == {"kind": {"enum": ["Deployment"]}, "apiVersion": {"enum": ["apps/v1"]}, "spec": TEXT}
    assert made["required"] == ["apiVersion", "kind", "metadata", "spec"]
