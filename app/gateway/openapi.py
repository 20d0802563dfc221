"""What the OpenAPI document says of each route: the routes read the raw request, for speed, so it is said here.

schemathesis holds the gateway to every word of it (tests/proofs/schemathesis).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app import contract
from app.errors import DeclarationError
from app.gateway import job_list, job_query, problems
from app.gateway.answers import ANSWERS
from app.gateway.payloads import DEPTH_MAX, EXPONENT_MAX, EXPONENT_MIN, NUMBER_CHARACTERS_MAX
from app.kinds.declared import Declaration, Kind

#: A week: longer than any outage that a request should outlive, shorter than what retention keeps.
EXPIRES_MAX_SECONDS = 7 * 24 * 3600

_NO_NUL = r"^[^\u0000]*$"
_PROBLEM = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_IDS = {
    contract.HEADER_REQUEST_ID: {
        "description": "The id of this request in our logs: the caller's own if it sent a sensible one.",
        "schema": {"type": "string"},
    },
    contract.HEADER_TRACEPARENT: {"description": "W3C trace context.", "schema": {"type": "string"}},
}
_EXTRA_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    405: {"Allow": {"required": True, "schema": {"type": "string"}}},
    429: {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}},
    503: {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}},
}
_MEANINGS = {
    401: "No API key, or none that is valid.",
    403: "The API key lacks the scope.",
    404: "There is no such job or batch of this API key.",
    405: "The resource does not know the method.",
    408: "The body did not arrive in time. Nothing was accepted.",
    409: "The batch is not as the request takes it to be: sealed, or with other rows. Nothing changed.",
    413: "The body is too large. Nothing was accepted.",
    415: "Not plain application/json. Nothing was accepted.",
    422: "The request is not as it must be, or its Idempotency-Key had another body before. Nothing was accepted.",
    429: "The API key sends more requests than it may. Nothing was accepted.",
    500: "A bug of ours. Repeat with the same Idempotency-Key.",
    503: "`overloaded`, `unavailable`: nothing was accepted. `outcome-unknown`: repeat with the same Idempotency-Key.",
}
_SECURITY: list[dict[str, list[str]]] = [{"apiKey": []}, {"bearer": []}]


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {
            "description": _MEANINGS[status],
            "content": _PROBLEM,
            "headers": _IDS | _EXTRA_HEADERS.get(status, {}),
        }
        for status in statuses
    }


def _success(description: str, schema: str, **headers: Any) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
        "headers": _IDS | headers,
    }


_IDEMPOTENCY_KEY = {
    "name": contract.HEADER_IDEMPOTENCY_KEY,
    "in": "header",
    "required": False,
    "description": "The caller's name for this request: the same bytes again get the same answer.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$", "minLength": 1, "maxLength": 200},
}

_EXPIRES_SECONDS = {
    "name": contract.HEADER_EXPIRES_SECONDS,
    "in": "header",
    "required": False,
    "description": "Items that have not begun after so many seconds are never executed; they count as expired.",
    "schema": {"type": "integer", "minimum": 1, "maximum": EXPIRES_MAX_SECONDS},
}


def submit(task_name: str, declaration: Declaration, path: str) -> dict[str, Any]:
    """FastAPI's arguments for a route that takes items of a task: its id, answers, body and headers."""
    form = declaration.form
    one = {"$ref": f"#/components/schemas/{form.model.__name__}"}
    many = {"type": "array", "minItems": 1, "maxItems": contract.REQUEST_MAX_ITEMS, "items": one}
    kind = Kind.ONCE if declaration.kind is Kind.ONCE_IN_BATCHES else declaration.kind
    return {
        "operation_id": f"submit_{task_name}" + ("" if path == declaration.paths[0] else "_at_its_path"),
        "summary": f"Submit one item of {task_name}, or a list",
        "responses": {
            202: _success(
                f"Committed: each item will be executed {kind}, whatever happens next. `Location` says where to ask.",
                "Accepted",
                Location={"required": True, "schema": {"type": "string", "format": "uri-reference"}},
            ),
            **_refusals(401, 403, 405, 408, 413, 415, 422, 429, 500, 503),
        },
        "openapi_extra": {
            "security": _SECURITY,
            "parameters": [_IDEMPOTENCY_KEY, _EXPIRES_SECONDS],
            "requestBody": {
                "required": True,
                "description": f"No two items of a list have the same {form.key}." if form.key else "",
                "content": {"application/json": {"schema": {"anyOf": [one, many]}}},
            },
        },
    }


_JOB_ID = {"name": "job_id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
JOBS: dict[str, Any] = {
    "operation_id": "listJobs",
    "summary": "What became of many requests",
    "description": (
        "The jobs of the caller's own key, newest first. A request looks at most at "
        f"{job_list.PASSED_MAX:,} jobs, derives the state of at most {job_query.LIMIT_MAX}, and looks up about "
        f"{job_list.ITEMS_MAX:,} of their items: so a page may hold fewer jobs than `limit`, or none, although more "
        "match. There are more as long as `next` is not null."
    ),
    "responses": {200: _success("A page of jobs.", "Jobs"), **_refusals(401, 403, 405, 422, 429, 500, 503)},
    "openapi_extra": {"security": _SECURITY, "parameters": job_query.parameters()},
}
JOB: dict[str, Any] = {
    "operation_id": "getJob",
    "summary": "What became of a request",
    "responses": {200: _success("The job.", "Job"), **_refusals(401, 403, 404, 405, 429, 500, 503)},
    "openapi_extra": {"security": _SECURITY, "parameters": [_JOB_ID]},
}
REVOKE: dict[str, Any] = {
    "operation_id": "revokeJob",
    "summary": "Revoke the items that have not begun",
    "description": (
        "No further item of the job begins. An item that already runs goes on: it is executed, or it fails and is then "
        "revoked instead of tried again. The job is `revoking` until the end of each item is known. If no item waits, "
        "dead letters of the job can still no longer be replayed. A second revocation changes nothing."
    ),
    "responses": {
        200: _success("It is revoked; the job, as it is now.", "Job"),
        **_refusals(401, 403, 404, 405, 429, 500, 503),
    },
    "openapi_extra": {"security": _SECURITY, "parameters": [_JOB_ID]},
}
_BATCH_ID = {"name": "batch_id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
_CHUNK_NUMBER = {
    "name": "number", "in": "path", "required": True,
    "schema": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
}  # fmt: skip


def _batch_body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


BATCH_OPEN: dict[str, Any] = {
    "operation_id": "openBatch",
    "summary": "Open a batch for millions of rows",
    "responses": {
        201: _success(
            "The batch; a second request with the same Idempotency-Key gets the same one.",
            "Batch",
            Location={"required": True, "schema": {"type": "string", "format": "uri-reference"}},
        ),
        **_refusals(401, 403, 405, 408, 413, 415, 422, 429, 500, 503),
    },
    "openapi_extra": {
        "security": _SECURITY,
        "parameters": [_IDEMPOTENCY_KEY],
        "requestBody": _batch_body(
            {
                "type": "object",
                "properties": {"task": {"type": "string", "description": "The name of a declared batch."}},
                "required": ["task"],
                "additionalProperties": False,
            }
        ),
    },
}
BATCH_ADD: dict[str, Any] = {
    "operation_id": "addChunk",
    "summary": "Add rows under a number of the sender's; the same rows again change nothing",
    "responses": {
        202: _success("The rows are committed, and will be executed once.", "Chunk"),
        **_refusals(401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 503),
    },
    "openapi_extra": {
        "security": _SECURITY,
        "parameters": [_BATCH_ID, _CHUNK_NUMBER],
        "requestBody": _batch_body(
            {"type": "array", "minItems": 1, "maxItems": contract.REQUEST_MAX_ITEMS, "items": {"type": "object"}}
        ),
    },
}
BATCH_SEAL: dict[str, Any] = {
    "operation_id": "sealBatch",
    "summary": "Say that nothing more comes, and how much came",
    "responses": {
        200: _success("The batch is sealed: it is aggregated when its last chunk is done.", "Batch"),
        **_refusals(401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 503),
    },
    "openapi_extra": {
        "security": _SECURITY,
        "parameters": [_BATCH_ID],
        "requestBody": _batch_body(
            {
                "type": "object",
                "properties": {name: {"type": "integer", "minimum": 0} for name in ("chunks", "rows")},
                "required": ["chunks", "rows"],
                "additionalProperties": False,
            }
        ),
    },
}
BATCH: dict[str, Any] = {
    "operation_id": "getBatch",
    "summary": "Progress and aggregate of a batch",
    "responses": {200: _success("The batch.", "Batch"), **_refusals(401, 403, 404, 405, 429, 500, 503)},
    "openapi_extra": {"security": _SECURITY, "parameters": [_BATCH_ID]},
}
HEALTH: dict[str, Any] = {
    "operation_id": "healthz",
    "responses": {200: _success("The process lives.", "Status"), **_refusals(405, 500)},
}
READY: dict[str, Any] = {
    "operation_id": "readyz",
    "responses": {200: _success("PostgreSQL answers.", "Status"), **_refusals(405, 500, 503)},
}
METRICS: dict[str, Any] = {
    "operation_id": "metrics",
    "responses": {
        200: {
            "description": "Prometheus' text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
            "headers": _IDS,
        },
        **_refusals(401, 403, 405, 500, 503),
    },
    "openapi_extra": {"security": _SECURITY},
}


def schemas(declarations: Mapping[str, Declaration]) -> dict[str, Any]:
    """The components: the answers of all routes, and the models of the tasks that are served."""
    _, answers = _described(ANSWERS)
    ours = {**answers, **_json_schemas()}
    return _models(declarations, taken=frozenset(ours)) | ours


def _json_schemas() -> dict[str, Any]:
    json_object = {
        "type": "object",
        "description": (
            "Stored as it was sent. At most 128 KiB of it, white space included, and at most "
            f"{DEPTH_MAX} levels. No two members of an object have the same name."
        ),
        "propertyNames": {"pattern": _NO_NUL},
        "additionalProperties": {"$ref": "#/components/schemas/JsonValue"},
    }
    number = (
        f"Every digit is kept. At most {NUMBER_CHARACTERS_MAX} characters; an exponent from {EXPONENT_MIN} to "
        f"{EXPONENT_MAX}. PostgreSQL knows no negative zero."
    )
    json_value = {
        "anyOf": [
            {"type": "null"},
            {"type": "boolean"},
            {"type": "number", "description": number},
            {"type": "string", "pattern": _NO_NUL},
            {"type": "array", "items": {"$ref": "#/components/schemas/JsonValue"}},
            {"$ref": "#/components/schemas/JsonObject"},
        ]
    }
    return {"JsonObject": json_object, "JsonValue": json_value}


def _described(models: Iterable[type[BaseModel]]) -> tuple[dict[Any, str], dict[str, Any]]:
    """The names of the models' schemas, and all schemas by name, those of the models inside them too."""
    references, found = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    names = {model: schema["$ref"].rpartition("/")[2] for (model, _), schema in references.items()}
    return names, found.get("$defs", {})


def _models(declarations: Mapping[str, Declaration], *, taken: frozenset[str]) -> dict[str, Any]:
    served = [one for one in declarations.values() if one.paths]
    models = {one.form.model.__name__: one.form.model for one in served}
    for one in served:
        name = one.form.model.__name__
        if models[name] is not one.form.model or name in taken or not name.isidentifier():
            raise DeclarationError(f"({one.where}: the name of the model {name} is taken, or none; call it otherwise)")
    names, schemas = _described(models.values())
    if clash := sorted(schemas.keys() & taken):
        raise DeclarationError(f"(a model inside an item is called {clash[0]}, as one of the gateway's own)")
    for one in served:
        for name, text in one.form.texts.items():
            # To Python it is a text, to the caller the value that he sends.
            value = "JsonObject" if text.only_objects else "JsonValue"
            schemas[names[one.form.model]]["properties"][name] = {"$ref": f"#/components/schemas/{value}"}
    return schemas


def complete(document: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Add what all routes share to FastAPI's document, and take out the validation errors that are not ours."""
    components = document.setdefault("components", {})
    components["schemas"] = schemas
    components["securitySchemes"] = {
        "apiKey": {"type": "apiKey", "in": "header", "name": contract.HEADER_API_KEY},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    return document
