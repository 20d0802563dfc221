"""`POST /v1/events`: from bytes to a committed job."""

from __future__ import annotations

import re
from collections.abc import Sequence

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app import contract
from app.contract import Scope
from app.failpoints import Failpoint, failpoint
from app.gateway import acceptance, bodies, events, messages, metrics, openapi
from app.gateway.acceptance import Accepted, IdempotencyKey, NewJob
from app.gateway.bodies import Share
from app.gateway.connections import Connection
from app.gateway.parts import parts_of
from app.gateway.problems import INVALID, FieldError, ProblemError
from app.storage.identifiers import new_id
from app.storage.outbox import OutboxMessage
from app.telemetry import context

router = APIRouter()

PATH = "/v1/events"
JOBS_PATH = "/v1/jobs"
#: Visible ASCII: it goes into an index, into logs and through proxies.
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,200}")


@router.post(PATH, status_code=202, response_class=Response, **openapi.SUBMIT)
async def submit(request: Request) -> Response:
    """Accept one event, or a list of up to 1,000. 202 means: committed, and executed once whatever happens next."""
    parts = parts_of(request)
    key = await parts.authenticator.require(request, Scope.EVENTS_WRITE)
    bodies.check_headers(request.headers.get("content-type"), request.headers.get("content-encoding"))
    idempotency_key = idempotency_key_of(request)
    await parts.limiter.check(key.api_key_id, key.requests_per_second)
    with parts.body_memory.share() as share:
        job, outgoing, once = await _prepare(request, share, key.api_key_id, idempotency_key)

        async def write(connection: Connection) -> Accepted:
            failpoint(Failpoint.GATEWAY_BEFORE_COMMIT)
            return await acceptance.accept(connection, job, outgoing, once)

        # With a key the second time finds what the first one wrote, if it did; we do what its sender is told to do.
        accepted = await parts.database.run(write, writes=True, repeatable=once is not None)
    failpoint(Failpoint.GATEWAY_AFTER_COMMIT)
    if not accepted.replayed:
        metrics.EVENTS_ACCEPTED.labels(job.queue).inc(accepted.events)
    request.state.log = {
        "job_id": str(accepted.job_id), "queue": job.queue, "events": accepted.events, "replayed": accepted.replayed,
        "api_key_id": key.api_key_id,
    }  # fmt: skip
    return _answer(accepted)


async def _prepare(
    request: Request, share: Share, api_key_id: str, idempotency_key: str | None
) -> tuple[NewJob, Sequence[OutboxMessage], IdempotencyKey | None]:
    """Everything that is written. The body and its events are gone when this returns: long lists need the memory."""
    parts = parts_of(request)
    body = await bodies.read(request, share, max_bytes=parts.settings.request_max_bytes)
    parts.shedder.check(events.queue_of(is_list=events.looks_like_list(body)))
    submission = await events.parse(body, payload_max_bytes=parts.settings.payload_max_bytes)
    trace = context.current() or context.bind(correlation_id=None, traceparent=None)
    job = NewJob(
        job_id=new_id(),
        kind=submission.kind,
        queue=submission.queue,
        event_ids=[event.event_id for event in submission.events],
        api_key_id=api_key_id,
        correlation_id=trace.correlation_id,
        traceparent=trace.traceparent,
    )
    outgoing: Sequence[OutboxMessage] = await messages.build(submission, share, job_id=job.job_id)
    once = None
    if idempotency_key is not None:
        once = IdempotencyKey(
            key=idempotency_key,
            request_hash=acceptance.request_hash(body),
            keep_seconds=parts.settings.idempotency_keep_seconds,
        )
    return job, outgoing, once


def _answer(accepted: Accepted) -> Response:
    url = f"{JOBS_PATH}/{accepted.job_id}"
    body = {"job_id": str(accepted.job_id), "status_url": url, "accepted": accepted.events}
    return Response(orjson.dumps(body), status_code=202, media_type="application/json", headers={"Location": url})


def idempotency_key_of(request: Request) -> str | None:
    """The caller's name for this request, if it gave one.

    Raises:
        ProblemError: 422, where it is not one of the allowed form.
    """
    given = set(request.headers.getlist(contract.HEADER_IDEMPOTENCY_KEY))
    if not given:
        return None
    if len(given) > 1:
        raise _wrong_key("is given twice, with different values")
    key = given.pop()
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise _wrong_key("must be 1 to 200 visible ASCII characters")
    return key


def _wrong_key(detail: str) -> ProblemError:
    return ProblemError(INVALID, errors=[FieldError(pointer=contract.HEADER_IDEMPOTENCY_KEY, detail=detail)])
