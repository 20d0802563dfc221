"""Parameters of requests: routes declare them, FastAPI reads them, this module makes problem documents of errors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BeforeValidator, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError
from starlette.datastructures import Headers, QueryParams

from app.gateway.problems import ERRORS_MAX, INVALID, FieldError, ProblemError

#: The answer repeats at most this much of the name of an unknown parameter.
_NAME_CHARACTERS = 100
_DIGITS = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


def wrong(detail: str) -> PydanticCustomError:
    """The error that a validator raises."""
    return PydanticCustomError("parameter", "{detail}", {"detail": detail})


def _whole_number(text: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise wrong("must be a whole number")
    return int(text)


#: A whole number in plain digits; pydantic alone takes more forms than the OpenAPI document names, such as `1_0`.
WHOLE_NUMBER = BeforeValidator(_whole_number)


class _LeftOut:
    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        [said] = [one for one in handler(schema)["anyOf"] if one != {"type": "null"}]
        return dict(said)


#: Marks a parameter that is None if it was left out. Nobody can send null, so the OpenAPI document does not name it.
LEFT_OUT = _LeftOut()


def refuse_repeated(given: QueryParams | Headers, names: Iterable[str]) -> None:
    """Refuse a parameter with several different values, of which FastAPI would take one.

    Raises:
        ProblemError: 422, with the names.
    """
    errors = [
        FieldError(pointer=name, detail="is given twice, with different values")
        for name in names
        if len(set(given.getlist(name))) > 1
    ]
    if errors:
        raise ProblemError(INVALID, errors=errors)


def problem(error: RequestValidationError) -> ProblemError:
    """The problem document of pydantic's errors: 422, with the name of each wrong parameter."""
    errors = [
        FieldError(
            pointer=str(one["loc"][-1])[:_NAME_CHARACTERS],
            detail="is not a parameter of this request" if one["type"] == "extra_forbidden" else one["msg"],
        )
        for one in error.errors()[:ERRORS_MAX]
    ]
    return ProblemError(INVALID, errors=errors)
