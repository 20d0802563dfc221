"""Which headers of a task message Celery can live with.

Celery 5.7 reads these headers in the constructor of its request, in its event loop, and in the child before the task
runs, and takes their types for granted. What is raised there ends the worker, and the next one, until the delivery
limit (BR-14): `timelimit: 90` has no two halves, `expires: []` is not None and has no time zone either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from celery.utils.time import maybe_iso8601, maybe_make_aware, timezone

from app import contract
from app.storage.identifiers import uuid_or_none

#: Attempts are stored as a smallint, whose largest value this leaves for the attempt itself.
MOST_RETRIES = 32_766
_SHOWN_CHARACTERS = 100
#: Longer is no time limit, and more than a timer takes.
_MOST_LIMIT_SECONDS = 10**9

Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _number(value: Any, most: float = math.inf) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most and value < math.inf


def _count(value: Any) -> bool:
    return isinstance(value, int) and _number(value, MOST_RETRIES)


def _limits(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(limit is None or _number(limit, _MOST_LIMIT_SECONDS) for limit in value)
    )


def _moment(value: Any) -> bool:
    """What Celery does with it: parse, make aware, and convert for the timer."""
    if not value or not isinstance(value, str | datetime):
        return False
    try:
        moment = maybe_iso8601(value)
        return moment is not None and math.isfinite(timezone.to_system(maybe_make_aware(moment)).timestamp())
    except (ValueError, TypeError, AttributeError, OverflowError, OSError):
        return False


def _texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_text, value))


_TEXT = (_text, "a text")
_COUNT = (_count, f"a whole number up to {MOST_RETRIES}")
_TIME = (_moment, "a time in ISO 8601")
_NUMBER = (_number, "a number")
_UUID = (lambda value: uuid_or_none(value) is not None, "a UUID")

#: What each may be besides absent or null.
_HEADERS: Mapping[str, tuple[Check, str]] = {
    **dict.fromkeys(("root_id", "parent_id", "group", "shadow", "lang", "meth", "origin"), _TEXT),
    **dict.fromkeys(("argsrepr", "kwargsrepr", contract.MESSAGE_CORRELATION_ID, contract.MESSAGE_TRACEPARENT), _TEXT),
    **dict.fromkeys(("retries", "replaced_task_nesting", "group_index", contract.MESSAGE_BUNDLE), _COUNT),
    **dict.fromkeys(("eta", "expires"), _TIME),
    **dict.fromkeys(
        (contract.MESSAGE_PUBLISHED_AT, contract.MESSAGE_PARKED_SINCE, contract.MESSAGE_RELEASE_SINCE), _NUMBER
    ),
    "timelimit": (_limits, "two numbers of seconds, or nulls"),
    **dict.fromkeys(("ignore_result", contract.MESSAGE_RAN, contract.MESSAGE_ORDER_GOES_ON), (_flag, "true or false")),
    "is_eager": (lambda value: value is False, "false"),
    "stamped_headers": (_texts, "a list of texts"),
    "stamps": (lambda value: isinstance(value, dict), "an object"),
    "headers": (lambda value: isinstance(value, dict), "an object"),
    **dict.fromkeys(
        (
            contract.MESSAGE_KEY,
            contract.MESSAGE_SCOPE,
            contract.MESSAGE_FORM,
            contract.MESSAGE_TASK,
            contract.MESSAGE_DROP_AS,
        ),
        _TEXT,
    ),
    **dict.fromkeys((contract.MESSAGE_JOB_ID, contract.MESSAGE_ORDER), _UUID),
}
_CALLS = (lambda value: isinstance(value, list) and all(isinstance(call, dict) for call in value), "a list of tasks")
#: The same for the third part of the body. Celery takes each for an attribute of the request, so there are no others.
_EMBED: Mapping[str, tuple[Check, str]] = {
    **dict.fromkeys(("callbacks", "errbacks", "chain"), _CALLS),
    "chord": (lambda value: isinstance(value, dict), "a task"),
}


def flaw_in_headers(headers: Mapping[str, Any]) -> str | None:
    """What Celery would stumble over, with the header's name and value; None when there is nothing."""
    for name in ("task", "id"):
        if not isinstance(headers.get(name), str) or not headers[name]:
            return _flaw("header", name, headers.get(name), "a text")
    # An embedded value takes the place of a header of the same name, but need not be there.
    return _first_flaw("header", headers, _HEADERS) or _first_flaw("header", headers, _EMBED)


def flaw_in_body(body: object) -> str | None:
    """The same for the decoded body: [args, kwargs, embed]."""
    match body:
        case [list(), dict(), dict() | None as embed]:
            if unknown := sorted((embed or {}).keys() - _EMBED.keys()):
                return f"the body embeds {unknown[0][:_SHOWN_CHARACTERS]!r}, which Celery does not know"
            return _first_flaw("embedded", embed or {}, _EMBED)
    return "the body is not [args, kwargs, embed]"


def _first_flaw(where: str, values: Mapping[str, Any], known: Mapping[str, tuple[Check, str]]) -> str | None:
    for name, (is_well, kind) in known.items():
        value = values.get(name)
        if value is not None and not is_well(value):
            return _flaw(where, name, value, kind)
    return None


def _flaw(where: str, name: str, value: Any, kind: str) -> str:
    return f"the {where} `{name}` is {repr(value)[:_SHOWN_CHARACTERS]}, not {kind}"
