"""`POST /v1/tasks/<name>`: from bytes to a committed job, for each task that is declared for it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app import contract
from app.contract import Scope
from app.failpoints import Failpoint, failpoint
from app.gateway import acceptance, bodies, items, messages, metrics, openapi
from app.gateway.acceptance import Accepted, IdempotencyKey, NewJob, Order
from app.gateway.bodies import Share
from app.gateway.messages import Target
from app.gateway.parts import parts_of
from app.gateway.problems import INVALID, FieldError, ProblemError
from app.kinds.declared import Declaration
from app.storage.identifiers import new_id
from app.storage.outbox import OutboxMessage
from app.telemetry import context

JOBS_PATH = "/v1/jobs"
#: Visible ASCII: it goes into an index, into logs and through proxies.
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_WHOLE_SECONDS = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)


def router_of(declarations: Mapping[str, Declaration]) -> APIRouter:
    """A route for each path of each task."""
    router = APIRouter()
    for task_name, declaration in declarations.items():
        for path in declaration.paths:
            described = openapi.submit(task_name, declaration, path)
            router.add_api_route(
                path, _route(task_name, declaration), methods=["POST"], status_code=202, response_class=Response,
                **described,
            )  # fmt: skip
    return router


def _route(task_name: str, declaration: Declaration) -> Callable[[Request], Awaitable[Response]]:
    async def submit(request: Request) -> Response:
        return await _submit(request, task_name, declaration)

    return submit


async def _submit(request: Request, task_name: str, declaration: Declaration) -> Response:
    """Accept one item, or a list of up to 1,000. 202 means: committed, and executed whatever happens next."""
    parts = parts_of(request)
    key = await parts.authenticator.require(request, Scope.TASKS_WRITE)
    target = Target(task_name=task_name, declaration=declaration, api_key_id=key.api_key_id)
    bodies.check_headers(request.headers.get("content-type"), request.headers.get("content-encoding"))
    idempotency_key = idempotency_key_of(request)
    expires_seconds = expires_seconds_of(request)
    await parts.limiter.check(key.api_key_id, key.requests_per_second)
    with parts.body_memory.share() as share:
        order = await _prepare(request, share, target, idempotency_key, expires_seconds)
        accepted = await parts.acceptance.accept(order)
    failpoint(Failpoint.GATEWAY_AFTER_COMMIT)
    if not accepted.replayed:
        metrics.ITEMS_ACCEPTED.labels(order.job.queue).inc(accepted.items)
    request.state.log = {
        "job_id": str(accepted.job_id), "task_name": task_name, "queue": order.job.queue, "items": accepted.items,
        "replayed": accepted.replayed, "api_key_id": key.api_key_id,
    }  # fmt: skip
    return _answer(accepted)


async def _prepare(
    request: Request, share: Share, target: Target, idempotency_key: str | None, expires_seconds: int | None
) -> Order:
    """Everything that is written. The body and its items are gone when this returns: long lists need the memory."""
    parts = parts_of(request)
    body = await bodies.read(request, share, max_bytes=parts.settings.request_max_bytes)
    parts.shedder.check(target.queue(is_list=items.looks_like_list(body)))
    submission = await items.parse(body, target.declaration.form, payload_max_bytes=parts.settings.payload_max_bytes)
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
    once = None
    if idempotency_key is not None:
        once = IdempotencyKey(
            key=idempotency_key,
            request_hash=acceptance.request_hash(body),
            keep_seconds=parts.settings.idempotency_keep_seconds,
        )
    return Order(job=job, messages=outgoing, key=once)


def _answer(accepted: Accepted) -> Response:
    url = f"{JOBS_PATH}/{accepted.job_id}"
    body = {"job_id": str(accepted.job_id), "status_url": url, "accepted": accepted.items}
    return Response(orjson.dumps(body), status_code=202, media_type="application/json", headers={"Location": url})


def idempotency_key_of(request: Request) -> str | None:
    """The caller's name for this request, if it gave one.

    Raises:
        ProblemError: 422, where it is not one of the allowed form.
    """
    key = _header(request, contract.HEADER_IDEMPOTENCY_KEY)
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise _wrong(contract.HEADER_IDEMPOTENCY_KEY, "must be 1 to 200 visible ASCII characters")
    return key


def expires_seconds_of(request: Request) -> int | None:
    """How long the items may wait, if the caller says so.

    Raises:
        ProblemError: 422, where it is no number of seconds, or too many.
    """
    text = _header(request, contract.HEADER_EXPIRES_SECONDS)
    if text is None:
        return None
    if not _WHOLE_SECONDS.fullmatch(text) or int(text) > openapi.EXPIRES_MAX_SECONDS:
        raise _wrong(contract.HEADER_EXPIRES_SECONDS, f"must be a whole number from 1 to {openapi.EXPIRES_MAX_SECONDS}")
    return int(text)


def _header(request: Request, name: str) -> str | None:
    given = set(request.headers.getlist(name))
    if len(given) > 1:
        raise _wrong(name, "is given twice, with different values")
    return given.pop() if given else None


def _wrong(header: str, detail: str) -> ProblemError:
    return ProblemError(INVALID, errors=[FieldError(pointer=header, detail=detail)])
