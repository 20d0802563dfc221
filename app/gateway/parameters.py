"""Parameters of requests: the routes declare them, FastAPI reads them, and what is wrong with them is a problem."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BeforeValidator, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError
from starlette.datastructures import Headers, QueryParams

from app.gateway.problems import ERRORS_MAX, INVALID, FieldError, ProblemError

#: Of the name of an unknown parameter, as far as the answer repeats it.
_NAME_CHARACTERS = 100
_DIGITS = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


def wrong(detail: str) -> PydanticCustomError:
    """What a validator raises."""
    return PydanticCustomError("parameter", "{detail}", {"detail": detail})


def _whole_number(text: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise wrong("must be a whole number")
    return int(text)


#: Pydantic alone takes more forms than the OpenAPI document names, such as `1_0`.
WHOLE_NUMBER = BeforeValidator(_whole_number)


class _LeftOut:
    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        [said] = [one for one in handler(schema)["anyOf"] if one != {"type": "null"}]
        return dict(said)


#: Marks a parameter whose None means that it was left out: nobody can send it, so the OpenAPI document has no null.
LEFT_OUT = _LeftOut()


def refuse_repeated(given: QueryParams | Headers, names: Iterable[str]) -> None:
    """FastAPI takes one of several values in silence.

    Raises:
        ProblemError: 422.
    """
    errors = [
        FieldError(pointer=name, detail="is given twice, with different values")
        for name in names
        if len(set(given.getlist(name))) > 1
    ]
    if errors:
        raise ProblemError(INVALID, errors=errors)


def problem(error: RequestValidationError) -> ProblemError:
    """What pydantic found, as a problem document: 422 with the name of each parameter that is wrong."""
    errors = [
        FieldError(
            pointer=str(one["loc"][-1])[:_NAME_CHARACTERS],
            detail="is no parameter" if one["type"] == "extra_forbidden" else one["msg"],
        )
        for one in error.errors()[:ERRORS_MAX]
    ]
    return ProblemError(INVALID, errors=errors)
