"""The OpenAPI document is complete: it is what schemathesis and clients believe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import create_model

from app import contract
from app.errors import DeclarationError
from app.gateway import openapi
from app.gateway.job_query import JobQuery
from app.kinds.items import ItemForm
from app.tasks.user_events import ingest_user_event


@pytest.fixture
def document(gateway: FastAPI) -> dict[str, Any]:
    """The gateway's own document."""
    return gateway.openapi()


def references(node: Any) -> set[str]:
    """Every $ref in the document."""
    if isinstance(node, dict):
        own = {node["$ref"]} if "$ref" in node else set()
        return own.union(*(references(value) for value in node.values()))
    return set().union(*(references(item) for item in node)) if isinstance(node, list) else set()


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """No schema is named that is not there."""
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    assert references(document) <= known


def test_submitting_documents_every_refusal(document: dict[str, Any]) -> None:
    """Each as problem+json, those that pass with a Retry-After."""
    answers = document["paths"]["/v1/events"]["post"]["responses"]

    refusals = {status: answer for status, answer in answers.items() if status != "202"}
    assert set(refusals) == {"401", "403", "405", "408", "413", "415", "422", "429", "500", "503"}
    assert all(set(answer["content"]) == {"application/problem+json"} for answer in refusals.values())
    assert "Retry-After" in refusals["429"]["headers"]
    assert "Retry-After" in refusals["503"]["headers"]


def test_what_needs_a_key_says_so(document: dict[str, Any]) -> None:
    """Everything but the two probes."""
    secured = {path for path, item in document["paths"].items() for verb in item.values() if verb.get("security")}

    tasks = (
        "ingest_user_event",
        "locate_address",
        "charge_customer",
        "quote_order",
        "book_payment",
        "count_primes",
        "post_movement",
        "count_words",
    )
    submitting = {"/v1/events", *(f"/v1/tasks/{task}" for task in tasks)}
    jobs = {f"/v1/jobs{rest}" for rest in ("", "/{job_id}", "/{job_id}/revoke", "/{job_id}/results")}
    one = [f"/{{batch_id}}{rest}" for rest in ("", "/chunks/{number}", "/uploads/{upload_key}", "/seal", "/revoke")]
    batches = {f"/v1/batches{rest}" for rest in ("", *one)}
    uploads = {f"/v1/uploads{rest}" for rest in ("", "/{upload_key}")}
    assert secured == submitting | jobs | batches | uploads | {"/metrics"}


def test_no_model_takes_the_name_of_an_answer() -> None:
    """Not even one inside an item: one of the two would be described as the other."""
    inside = create_model("Counts", many=(int, ...))
    item = create_model("Report", counts=(inside, ...))
    declaration = replace(ingest_user_event.declaration, forms={"item": ItemForm(item)})

    with pytest.raises(DeclarationError, match="Counts"):
        openapi.complete({"paths": {}, "components": {"schemas": {"Counts": {}}}}, {"report": declaration})


def test_parameters_are_described(document: dict[str, Any]) -> None:
    """The document has their bounds, and no null, which nobody can send."""
    described = {
        one["name"]: one
        for path in ("/v1/events", "/v1/jobs")
        for operation in document["paths"][path].values()
        for one in operation["parameters"]
    }

    headers = {contract.HEADER_IDEMPOTENCY_KEY, contract.HEADER_EXPIRES_SECONDS}
    assert described.keys() == headers | JobQuery.model_fields.keys()
    assert all(
        one["description"] and not one["required"] and "anyOf" not in one["schema"] for one in described.values()
    )
    limit, expires = described["limit"]["schema"], described[contract.HEADER_EXPIRES_SECONDS]["schema"]
    assert (limit["type"], limit["minimum"], limit["maximum"]) == ("integer", 1, 200)
    assert (expires["type"], expires["minimum"], expires["maximum"]) == ("integer", 1, 604_800)
