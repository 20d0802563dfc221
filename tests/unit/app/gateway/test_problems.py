"""Problem documents."""

from __future__ import annotations

import json

import pytest

from app import contract
from app.gateway import problems
from app.gateway.problems import FieldError, ProblemError


def test_a_problem_says_what_rfc_9457_asks_for() -> None:
    """Type, title, status, the request's id, and the fields that are wrong."""
    error = ProblemError(problems.INVALID, "twice", errors=[FieldError(pointer="#/a", detail="is wrong")])

    answer = problems.response(error, request_id="abc")

    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(bytes(answer.body)) == {
        "type": "urn:millrace:problem:invalid-request",
        "title": problems.INVALID.title,
        "status": 422,
        "detail": "twice",
        "instance": "urn:millrace:request:abc",
        "errors": [{"pointer": "#/a", "detail": "is wrong"}],
    }


def test_what_is_not_known_is_left_out() -> None:
    """No empty members."""
    assert set(problems.document(problems.INTERNAL)) == {"type", "title", "status"}


def test_the_request_ends_with_the_last_error_that_is_told() -> None:
    """BR-03: nobody looks for more."""
    findings = problems.Findings()
    findings.refuse()
    for _ in range(problems.ERRORS_MAX - 1):
        findings.add(FieldError(pointer="#/a", detail=""))

    with pytest.raises(ProblemError) as raised:
        findings.add(FieldError(pointer="#/b", detail=""))

    assert [error.pointer for error in raised.value.errors] == ["#/a"] * (problems.ERRORS_MAX - 1) + ["#/b"]


@pytest.mark.parametrize("kind", [problems.RATE_LIMITED, problems.INVALID])
def test_a_refusal_says_that_nothing_was_accepted(kind: problems.Kind) -> None:
    """The caller knows whether a repetition can do harm."""
    assert "nothing was accepted" in kind.title


@pytest.mark.parametrize(
    "kind", [problems.OVERLOADED, problems.UNAVAILABLE, problems.OUTCOME_UNKNOWN, problems.INTERNAL]
)
def test_machines_and_people_are_told_the_same(kind: problems.Kind) -> None:
    """A program goes by the problem's name: the contract says which names promise that nothing was accepted."""
    assert ("nothing was accepted" in kind.title) is (kind.name in contract.NOTHING_ACCEPTED)


def test_an_unknown_outcome_is_called_so() -> None:
    """And says what to do."""
    assert "unknown" in problems.OUTCOME_UNKNOWN.title
    assert "same Idempotency-Key" in problems.OUTCOME_UNKNOWN.title


def test_retry_after_is_whole_seconds_and_spread() -> None:
    """Callers that were refused together do not come back together."""
    given = {int(problems.retry_after(10)["Retry-After"]) for _ in range(200)}

    assert min(given) >= 10
    assert max(given) <= 20
    assert len(given) > 3


def test_retry_after_is_at_least_a_second() -> None:
    """Zero would mean at once."""
    assert problems.retry_after(0.01, spread=0)["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("path", "text"), [((), "#"), ((3, "payload", "a"), "#/3/payload/a"), (("a/b", "~"), "#/a~1b/~0")]
)
def test_pointers_are_escaped(path: tuple[str | int, ...], text: str) -> None:
    """RFC 6901."""
    assert problems.pointer(path) == text
