"""The gateway against its own OpenAPI document: whatever is sent, no 500, and no answer that it does not name."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.harness.stack import Stack

#: Requests per operation and kind; the same in every run, so that a failure can be repeated.
EXAMPLES = 40
OPERATIONS = [
    ("POST", "/v1/events"),
    ("POST", "/v1/tasks/ingest_user_event"),
    ("POST", "/v1/tasks/locate_address"),
    ("POST", "/v1/tasks/charge_customer"),
    ("POST", "/v1/tasks/quote_order"),
    ("POST", "/v1/tasks/book_payment"),
    ("POST", "/v1/tasks/count_primes"),
    ("POST", "/v1/tasks/post_movement"),
    ("POST", "/v1/tasks/count_words"),
    ("POST", "/v1/uploads"),
    ("GET", "/v1/uploads/{upload_key}"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/{job_id}"),
    ("POST", "/v1/jobs/{job_id}/revoke"),
    ("GET", "/v1/jobs/{job_id}/results"),
    ("POST", "/v1/batches"),
    ("GET", "/v1/batches/{batch_id}"),
    ("PUT", "/v1/batches/{batch_id}/chunks/{number}"),
    ("PUT", "/v1/batches/{batch_id}/uploads/{upload_key}"),
    ("GET", "/v1/batches/{batch_id}/uploads/{upload_key}"),
    ("POST", "/v1/batches/{batch_id}/seal"),
    ("POST", "/v1/batches/{batch_id}/revoke"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]

#: These take nothing; an upload takes any bytes.
WITHOUT_BAD_INPUT = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics"), ("POST", "/v1/uploads")}


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        (*operation, mode)
        for operation in OPERATIONS
        for mode in GenerationMode
        if mode is GenerationMode.POSITIVE or operation not in WITHOUT_BAD_INPUT
    ],
)
def test_gateway_keeps_its_word(single: Stack, method: str, path: str, mode: GenerationMode) -> None:
    """Generated requests, good and bad, are answered as the document says.

    Hypothesis drives it, not schemathesis' pytest plugin: that one needs a part of pytest that pytest 9 no longer has.
    """
    with single.http() as client:
        document = client.get("/openapi.json").raise_for_status().json()
    assert sorted(OPERATIONS) == sorted(
        (verb.upper(), route) for route, verbs in document["paths"].items() for verb in verbs
    ), "the list of operations here is not the document's"
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=single.gateway_url)
    # The document asks for one of two headers. Ours is always right, so a bad one beside it is no bad request. That the
    # gateway refuses bad keys is schemathesis' check `ignored_auth`: it sends requests of its own.
    schema.config.generation.update(with_security_parameters=False)
    operation = schema[path][method]

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Case[Any]) -> None:
        case.call_and_validate(
            headers={"X-API-Key": single.api_key},
            verify=str(single.ca_file),
            timeout=60,
            # The gateway refuses more than JSON Schema can say: a time of the right form that is no moment, for one.
            excluded_checks=[positive_data_acceptance],
        )

    send()
