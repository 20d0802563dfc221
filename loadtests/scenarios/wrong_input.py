"""Requests that must be refused; the right refusal counts as a success."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import orjson

from app import contract
from loadtests.bodies import EVENTS_PATH
from loadtests.closed_loop.user import ByArgument, MillraceUser, scenario

__all__ = ["ByArgument"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """A request, and the status that refuses it."""

    what: str
    status: int
    method: str = "POST"
    path: str = EVENTS_PATH
    #: Its name, where the path has an id.
    route: str = ""
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


WRONG = (
    Wrong(what="members missing", status=422),
    Wrong(what="no JSON", status=422, body=b"{"),
    Wrong(what="empty list", status=422, body=b"[]"),
    Wrong(what="list of other things", status=422, body=orjson.dumps([1, None, "event"])),
    Wrong(what="not a media type", status=415, headers={"Content-Type": "text/plain"}),
    Wrong(what="unknown key", status=401, headers={contract.HEADER_API_KEY: "nobody"}),
    Wrong(what="wrong expiry", status=422, headers={contract.HEADER_EXPIRES_SECONDS: "soon"}),
    Wrong(what="unknown task", status=404, path="/v1/tasks/nothing"),
    Wrong(what="unknown batch task", status=422, path="/v1/batches", body=b'{"task": "nothing"}'),
    Wrong(what="wrong method", status=405, method="DELETE"),
    Wrong(what="wrong parameter", status=422, method="GET", path="/v1/jobs?limit=0", route="/v1/jobs", body=b""),
    Wrong(
        what="unknown job",
        status=404,
        method="GET",
        path="/v1/jobs/00000000-0000-7000-8000-000000000000",
        route="/v1/jobs/{job_id}",
        body=b"",
    ),
)


class WrongInput(MillraceUser):
    """A client with bugs."""

    @scenario("wrong-input")
    def send_wrong(self) -> None:
        """One of them, at random."""
        wrong = random.choice(WRONG)  # noqa: S311 - load, no secret
        name = f"{wrong.route or wrong.path} ({wrong.what})"
        self.ask(
            wrong.method, wrong.path, wrong.body, name=name, expected=(wrong.status,), more_headers=wrong.headers
        )  # fmt: skip
