"""`POST /v1/tasks/<name>`: from bytes to a committed job, for each task that is declared for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from app import contract
from app.contract import Scope
from app.failpoints import Failpoint, failpoint
from app.gateway import acceptance, answers, bodies, items, messages, metrics, openapi, parameters
from app.gateway.acceptance import Accepted, IdempotencyKey, NewJob, Order
from app.gateway.api_keys import KeyRecord
from app.gateway.bodies import Share
from app.gateway.items import Submission
from app.gateway.messages import Target
from app.gateway.parameters import LEFT_OUT, WHOLE_NUMBER
from app.gateway.parts import Caller, Parts, parts_of
from app.kinds import claims
from app.kinds.declared import Declaration, Kind
from app.storage.identifiers import new_id
from app.storage.outbox import OutboxMessage
from app.telemetry import context

JOBS_PATH = "/v1/jobs"
#: A week: longer than any outage that a request should outlive, shorter than what retention keeps.
EXPIRES_MAX_SECONDS = 7 * 24 * 3600
_HEADERS = (contract.HEADER_IDEMPOTENCY_KEY, contract.HEADER_EXPIRES_SECONDS)

#: Visible ASCII: it goes into an index, into logs and through proxies.
RepeatKey = Annotated[
    Annotated[str, Field(pattern=r"^[!-~]{1,200}$", min_length=1, max_length=200)] | None,
    LEFT_OUT,
    Header(
        alias=contract.HEADER_IDEMPOTENCY_KEY,
        description="The caller's name for this request: the same bytes again get the same answer.",
    ),
]
_ExpiresSeconds = Annotated[
    Annotated[int, Field(ge=1, le=EXPIRES_MAX_SECONDS), WHOLE_NUMBER] | None,
    LEFT_OUT,
    Header(
        alias=contract.HEADER_EXPIRES_SECONDS,
        description="Items that have not begun after so many seconds are never executed; they count as expired.",
    ),
]


def router_of(declarations: Mapping[str, Declaration]) -> APIRouter:
    """A route for each path of each task."""
    router = APIRouter(responses=openapi.refusals(401, 403, 408, 413, 415, 422, 429, 503))
    for task_name, declaration in declarations.items():
        kind = Kind.ONCE if declaration.kind is Kind.ONCE_IN_BATCHES else declaration.kind
        for path in declaration.paths:
            router.add_api_route(
                path,
                _route(task_name, declaration),
                methods=["POST"],
                status_code=202,
                response_model=answers.Accepted,
                response_description=f"Committed: each item will be executed {kind}, whatever happens next. "
                "`Location` says where to ask.",
                name=f"submit_{task_name}" + ("" if path == declaration.paths[0] else "_at_its_path"),
                summary=f"Submit one item of {task_name}, or a list",
                openapi_extra={"requestBody": openapi.body(declaration)},
            )
    return router


def _route(task_name: str, declaration: Declaration) -> Callable[..., Awaitable[Response]]:
    async def submit(
        request: Request,
        key: Annotated[KeyRecord, Depends(Caller(Scope.TASKS_WRITE))],
        idempotency_key: RepeatKey = None,
        expires_seconds: _ExpiresSeconds = None,
    ) -> Response:
        parameters.refuse_repeated(request.headers, _HEADERS)
        target = Target(task_name=task_name, declaration=declaration, api_key_id=key.api_key_id)
        return await _submit(request, target, idempotency_key, expires_seconds)

    return submit


async def _submit(
    request: Request, target: Target, idempotency_key: str | None, expires_seconds: int | None
) -> Response:
    """Accept one item, or a list of up to 1,000. 202 means: committed, and executed whatever happens next."""
    parts = parts_of(request)
    bodies.check_headers(request.headers.get("content-type"), request.headers.get("content-encoding"))
    with parts.body_memory.share() as share:
        order = await _prepare(request, share, target, idempotency_key, expires_seconds)
        accepted = await parts.acceptance.accept(order)
    failpoint(Failpoint.GATEWAY_AFTER_COMMIT)
    if not accepted.replayed:
        metrics.ITEMS_ACCEPTED.labels(order.job.queue).inc(accepted.items)
    request.state.log = {
        "job_id": str(accepted.job_id), "task_name": order.job.task_name, "queue": order.job.queue,
        "items": accepted.items, "replayed": accepted.replayed, "api_key_id": order.job.api_key_id,
    }  # fmt: skip
    return _answer(accepted)


async def _prepare(
    request: Request, share: Share, target: Target, idempotency_key: str | None, expires_seconds: int | None
) -> Order:
    """Read the request into what is written. The body and its items are freed when this returns, to save memory."""
    parts = parts_of(request)
    body = await bodies.read(request, share, max_bytes=parts.settings.request_max_bytes)
    parts.shedder.check(target.queue(is_list=items.looks_like_list(body)))
    by_reference = parts.object_store.configured
    max_bytes = parts.settings.item_max_bytes if by_reference else parts.settings.payload_max_bytes
    submission = await items.parse(body, target.declaration.form, payload_max_bytes=max_bytes)
    if by_reference:
        submission = await _checked_in(parts, submission, target.api_key_id)
    trace = context.current() or context.bind(correlation_id=None, traceparent=None)
    job = NewJob(
        job_id=new_id(),
        task_name=target.task_name,
        queue=target.queue(is_list=submission.is_list),
        keys=[item.key for item in submission.items],
        api_key_id=target.api_key_id,
        correlation_id=trace.correlation_id,
        traceparent=trace.traceparent,
    )
    outgoing: Sequence[OutboxMessage] = await messages.build(
        target, submission, share, job_id=job.job_id, expires_seconds=expires_seconds
    )
    if not await parts.shares.take(job.api_key_id, job.queue, len(job.keys)):
        parts.shedder.check(job.queue, beyond_share=True)
        outgoing = [replace(message, beyond_share=True) for message in outgoing]
    once = None
    if idempotency_key is not None:
        once = IdempotencyKey(
            key=idempotency_key,
            request_hash=acceptance.request_hash(body),
            keep_seconds=parts.settings.idempotency_keep_seconds,
        )
    return Order(job=job, messages=outgoing, key=once)


async def _checked_in(parts: Parts, submission: Submission, api_key_id: str) -> Submission:
    """Store items that are too long for a message before the job is accepted: no reference may lack its content."""
    checked = list(submission.items)
    for place, item in enumerate(checked):
        if item.size_bytes > parts.settings.payload_max_bytes:
            claim = claims.claim_of(item.wire)
            await parts.object_store.put(claim.key, claim.content, size_bytes=len(claim.content), api_key_id=api_key_id)
            checked[place] = replace(item, members=None, texts={}, reference=claim.reference)
    return replace(submission, items=checked)


def _answer(accepted: Accepted) -> Response:
    url = f"{JOBS_PATH}/{accepted.job_id}"
    body = {"job_id": str(accepted.job_id), "status_url": url, "accepted": accepted.items}
    return answers.written(body, status_code=202, headers={"Location": url})
