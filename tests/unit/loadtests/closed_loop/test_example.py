"""Items that are made from a gateway's OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.closed_loop.example import item, schema_of
from loadtests.closed_loop.gateway import SettingError


def _document(schema: dict[str, Any]) -> dict[str, Any]:
    """As the gateway writes it: an item, or a list of them."""
    many = {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}
    body = {"content": {"application/json": {"schema": {"anyOf": [{"$ref": "#/components/schemas/Item"}, many]}}}}
    return {
        "paths": {"/v1/tasks/mine": {"post": {"requestBody": body}}, "/v1/jobs": {}},
        "components": {"schemas": {"Item": schema}},
    }


def _made(schema: dict[str, Any]) -> Any:
    document = _document(schema)
    return item(document, schema_of(document, "mine"))


def _object(**members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(members)}


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"type": "string", "pattern": "^[A-Z]{3}$"}, "EUR"),
        ({"type": "string", "pattern": "^[a-z0-9-]{1,40}$"}, "example"),
        ({"type": "string", "minLength": 9}, "exampleee"),
        ({"type": "integer", "minimum": 5, "maximum": 9}, 5),
        ({"type": "integer", "minimum": -9, "maximum": 9}, 1),
        ({"type": "number", "maximum": 0}, 0),
        ({"type": "boolean"}, True),
        ({"enum": ["small", "large"]}, "small"),
        ({"type": "integer", "examples": [42]}, 42),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [True, True]),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "example"),
    ],
)
def test_a_member_is_as_its_schema_wants_it(schema: dict[str, Any], made: object) -> None:
    """Its example if it has one, else the simplest value."""
    assert _made(_object(member=schema)) == {"member": made}


def test_only_what_is_required_is_sent_and_ids_are_new() -> None:
    """Sent again under the same id it would be the same item."""
    schema = _object(order_id={"type": "string"}, key={"type": "string", "format": "uuid"}, kind={"type": "string"})
    schema["properties"]["note"] = {"type": "string"}
    first, second = _made(schema), _made(schema)

    assert first.keys() == {"order_id", "key", "kind"}
    assert (first["order_id"] != second["order_id"], first["key"] != second["key"]) == (True, True)
    assert first["kind"] == second["kind"]


def test_a_map_that_may_not_be_empty_gets_a_member() -> None:
    """As `articles` of quote_order."""
    articles = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}, "minProperties": 1}

    assert _made(_object(articles=articles)) == {"articles": {"example": 1}}


def test_what_cannot_be_made_is_refused_with_the_way_out() -> None:
    """A pattern that no known text has."""
    with pytest.raises(
        SettingError, match=r"'code' is known that has the form \^x\{17\}\$\. Give an item with --body FILE"
    ):
        _made(_object(code={"type": "string", "pattern": "^x{17}$"}))


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    """The user mistyped it."""
    with pytest.raises(SettingError, match=r"no task 'yours'\. It declares mine"):
        schema_of(_document({}), "yours")
