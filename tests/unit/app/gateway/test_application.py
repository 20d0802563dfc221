"""Every refusal is a problem document, whoever raises it."""

from __future__ import annotations

import pytest

from tests.unit.app.gateway.conftest import Ask


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("GET", "/v1/nothing", 404, None),
        ("PUT", "/v1/jobs", 405, "GET"),
        ("GET", "/v1/jobs/no-uuid", 422, None),
        ("GET", "/v1/jobs?limit=0", 422, None),
        ("POST", "/v1/events", 415, None),
    ],
)
def test_a_refusal_is_a_problem(ask: Ask, method: str, path: str, status: int, allowed: str | None) -> None:
    """Refusals of the router, of FastAPI and of our code are problem documents."""
    answer = ask(method, path)

    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    assert answer.headers.get("Allow") == allowed
