"""A user of the gateway that waits for each answer and says what is wrong with it."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import gevent
import orjson
from geventhttpclient.connectionpool import ConnectionPool
from locust import FastHttpUser, tag, task

from app import contract
from loadtests.bodies import headers
from loadtests.closed_loop import finish, gateway, run
from loadtests.closed_loop.shape import ByArgument
from loadtests.history import STATUS_ACCEPTED

#: A scenario imports the shape too, which Locust finds by that; `finish` listens to the end of a run.
__all__ = ["ByArgument", "MillraceUser", "finish", "scenario"]

_REASON_CHARACTERS = 200
Check = Callable[[Mapping[str, Any]], str | None]
_Method = TypeVar("_Method", bound=Callable[..., None])


def scenario(name: str) -> Callable[[_Method], _Method]:
    """Make a method what a user does again and again; `--tags` finds it by this name."""
    return lambda method: task(tag(name)(method))


def _send_at_once(_pool: ConnectionPool, connection: gevent.socket.socket) -> None:
    """Switch Nagle's algorithm off: with it a list's last piece waits 40 ms for an acknowledgement of the others."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


ConnectionPool.after_connect = _send_at_once  # type: ignore[method-assign, assignment]  # the client's hook; it has no setting


class MillraceUser(FastHttpUser):  # type: ignore[misc]  # Locust has no types here
    """What all scenarios are made of."""

    abstract = True
    insecure = False
    connection_timeout = gateway.TIMEOUT_SECONDS
    network_timeout = 3 * gateway.TIMEOUT_SECONDS
    ssl_context_factory = staticmethod(lambda cafile=None: gateway.tls_context())  # noqa: ARG005 - the client's signature

    def wait_time(self) -> float:
        """As `--pause-seconds` says."""
        return float(self.environment.parsed_options.pause_seconds)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        name: str = "",
        expected: Collection[int] = (STATUS_ACCEPTED,),
        key: str | None = None,
        more_headers: Mapping[str, str] | None = None,
        check: Check = lambda _: None,
    ) -> dict[str, Any] | None:
        """Send a request; the answer, or None where it is not one of those expected: then it counts as failed.

        `name` is the route, where the path has ids. `check` says what is wrong with an expected answer.
        """
        sent = headers(gateway.api_key(), key or str(uuid.uuid4())) | dict(more_headers or {})
        with self.client.request(
            method, path, data=body or None, name=name or path, headers=sent, catch_response=True
        ) as response:
            said = _read(response.content)
            if response.status_code not in expected:
                response.failure(_reason(response.status_code, said, getattr(response, "error", None), expected))
                return None
            if wrong := check(said):
                response.failure(wrong)
                return None
            response.success()
        if response.status_code == STATUS_ACCEPTED and "job_id" in said:
            run.note(job=said["job_id"])
        return {**said, "status": response.status_code}

    def submit(self, path: str, body: bytes, *, name: str = "", key: str | None = None, job: str | None = None) -> str:
        """Send items; returns the id of their job, empty if they were not accepted. `job` is the id that is due."""

        def check(said: Mapping[str, Any]) -> str | None:
            if not said.get("job_id"):
                return "the answer names no job"
            return "the answer names another job than the first one" if job and said["job_id"] != job else None

        answer = self.ask("POST", path, body, name=name, key=key, check=check)
        return str(answer["job_id"]) if answer else ""


def _read(content: bytes | None) -> dict[str, Any]:
    try:
        said = orjson.loads(content or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _reason(status: int, said: Mapping[str, Any], error: object, expected: Collection[int]) -> str:
    """Why a request failed, the same for all that failed so: Locust lists each reason once."""
    if not status:
        return f"no answer: {type(error).__name__}"
    wanted = " or ".join(map(str, expected))
    problem = str(said.get("type", "")).removeprefix(contract.PROBLEM_TYPE_PREFIX)
    first: Mapping[str, Any] = next(iter(said.get("errors") or ()), {})
    detail = " ".join(str(part) for part in (first.get("pointer"), first.get("detail"), said.get("detail")) if part)
    return f"{status} instead of {wanted}: {problem or 'no problem document'} {detail}".strip()[:_REASON_CHARACTERS]
