"""Every answer that is not a success, as problem+json (RFC 9457): one catalogue, so that nothing is said twice.

Each problem says whether anything was accepted, because that decides what the caller must do next.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import Response

from app import contract
from app.contract import ServerProblem
from app.errors import MillraceError

MEDIA_TYPE = "application/problem+json"
#: Errors found in one request: who finds the last one looks no further. A million unknown names in one object were a
#: million errors of 1.4 kB, built before the answer was cut to a few (BR-03).
ERRORS_MAX = 20
_POINTER_CHARACTERS_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of problem: its name is the last part of its `type`."""

    name: str
    status: int
    title: str


#: These two are answered before there is a request, so without a request id and whatever the path.
MALFORMED = Kind(name="malformed-request", status=400, title="This is not HTTP as it is understood here")
HEAD_TOO_LARGE = Kind(
    name="headers-too-large", status=431, title="The request line and headers are too large; nothing was accepted"
)
UNAUTHORIZED = Kind(name="unauthorized", status=401, title="An API key is needed, and this is not a valid one")
FORBIDDEN = Kind(name="missing-scope", status=403, title="The API key does not have the scope that this needs")
NOT_FOUND = Kind(name="not-found", status=404, title="There is nothing here")
METHOD_NOT_ALLOWED = Kind(name="method-not-allowed", status=405, title="This resource does not know this method")
BATCH_CONFLICT = Kind(
    name="batch-conflict", status=409, title="The batch is not as this request takes it to be; nothing was changed"
)
BODY_TIMEOUT = Kind(name="body-timeout", status=408, title="The body did not arrive in time; nothing was accepted")
TOO_LARGE = Kind(name="body-too-large", status=413, title="The body is too large; nothing was accepted")
UNSUPPORTED_TYPE = Kind(
    name="unsupported-media-type", status=415, title="Only plain application/json is understood; nothing was accepted"
)
INVALID = Kind(name="invalid-request", status=422, title="The request is not as it must be; nothing was accepted")
KEY_REUSED = Kind(
    name="idempotency-key-reused", status=422, title="This Idempotency-Key was used with a different body before"
)
RATE_LIMITED = Kind(
    name="rate-limited", status=429, title="This API key sends more requests than it may; nothing was accepted"
)
UPLOAD_QUOTA = Kind(
    name="upload-quota", status=429, title="This API key has stored as much as it may today; nothing was accepted"
)
INTERNAL = Kind(
    name=ServerProblem.INTERNAL,
    status=500,
    title="Something is broken on our side; repeat with the same Idempotency-Key",
)
OVERLOADED = Kind(
    name=ServerProblem.OVERLOADED,
    status=503,
    title="More work waits than can be done soon; nothing was accepted, try again later",
)
UNAVAILABLE = Kind(
    name=ServerProblem.UNAVAILABLE,
    status=503,
    title="The database cannot be reached; nothing was accepted, try again later",
)
OUTCOME_UNKNOWN = Kind(
    name=ServerProblem.OUTCOME_UNKNOWN,
    status=503,
    title="The database did not answer: accepted or not is unknown, so repeat with the same Idempotency-Key",
)
NO_OBJECT_STORE = Kind(
    name="no-object-store", status=501, title="This deployment has no object store, so it takes no uploads"
)
STORE_AWAY = Kind(
    name="object-store-unavailable",
    status=503,
    title="The object store cannot be reached; nothing was accepted, try again later",
)
RESULTS_AWAY = Kind(
    name="results-unavailable", status=503, title="The results cannot be read at present; try again later"
)
KINDS = tuple(value for value in list(globals().values()) if isinstance(value, Kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """A wrong value, and why it is wrong; the pointer is a JSON pointer into the body, or a header or parameter."""

    pointer: str
    detail: str


class Findings:
    """Collects the errors of one request and refuses it, at the latest after `ERRORS_MAX` of them."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._errors: list[FieldError] = []

    def add(self, error: FieldError) -> None:
        """Note an error.

        Raises:
            ProblemError: 422, when there are enough.
        """
        self._errors.append(error)
        if len(self._errors) >= ERRORS_MAX:
            self.refuse()

    def refuse(self) -> None:
        """End the request if anything is wrong with it.

        Raises:
            ProblemError: 422.
        """
        if self._errors:
            raise ProblemError(INVALID, errors=self._errors)


class ProblemError(MillraceError):
    """The request ends with a problem document."""

    def __init__(
        self,
        kind: Kind,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`detail` is for the caller's eyes: no internals, no echo of what was sent."""
        super().__init__(f"{kind.name} {detail}".strip())
        self.kind = kind
        self.public_detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def document(
    kind: Kind, *, detail: str = "", errors: Sequence[FieldError] = (), request_id: str | None = None
) -> dict[str, Any]:
    """Return the members of RFC 9457; `instance` is the request id that the logs know."""
    body: dict[str, Any] = {
        "type": contract.PROBLEM_TYPE_PREFIX + kind.name,
        "title": kind.title,
        "status": kind.status,
    }
    if detail:
        body["detail"] = detail
    if request_id:
        body["instance"] = f"urn:millrace:request:{request_id}"
    if errors:
        body["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in errors]
    return body


def response(problem: ProblemError, *, request_id: str | None = None) -> Response:
    """Render a problem."""
    body = document(problem.kind, detail=problem.public_detail, errors=problem.errors, request_id=request_id)
    return Response(orjson.dumps(body), status_code=problem.kind.status, media_type=MEDIA_TYPE, headers=problem.headers)


def retry_after(seconds: float, *, spread: float = 1.0) -> dict[str, str]:
    """Return the header: whole seconds, at least 1, spread out so that refused callers do not come back together."""
    jitter = secrets.randbelow(1000) / 1000 * spread * seconds
    return {"Retry-After": str(max(1, math.ceil(seconds + jitter)))}


def pointer(path: Sequence[str | int]) -> str:
    """Return a JSON pointer (RFC 6901) as a fragment: `#/3/payload/amount`; a very long one ends with an ellipsis."""
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    whole = ("#" + "".join(f"/{part}" for part in escaped)).encode(errors="replace").decode()
    return whole if len(whole) <= _POINTER_CHARACTERS_MAX else whole[:_POINTER_CHARACTERS_MAX] + "…"
