"""Reads the file of objectives: `objectives.toml` beside this module, or the one that a person names."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from loadtests.errors import ObjectivesError

DEFAULT_FILE = Path(__file__).with_name("objectives.toml")
#: Where a broker has objectives of its own.
BROKER_FILES = {broker: DEFAULT_FILE.with_name(f"objectives-{broker}.toml") for broker in ("sqs", "redis")}

_Share = Annotated[float, Field(ge=0, le=1)]
_Figure = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Bounds(_Table):
    """One table of the file; None: not judged."""

    accepted_share_at_least: _Share | None = None
    executed_share_at_least: _Share | None = None
    in_time_share_at_least: _Share | None = None
    executed_events_per_second_at_least: _Figure | None = None
    single_p99_ms_at_most: _Figure | None = None
    list_p99_ms_at_most: _Figure | None = None
    answer_p99_ms_at_most: _Figure | None = None
    lateness_p99_ms_at_most: _Figure | None = None
    stall_seconds_at_most: _Figure | None = None
    recovery_seconds_at_most: _Figure | None = None


class ObjectiveFile(_Table):
    """Both tables."""

    steady: Bounds
    under_fault: Bounds

    def bounds(self, *, fault: bool) -> Bounds:
        """Those of a run with or without a fault."""
        return self.under_fault if fault else self.steady

    @classmethod
    def read(cls, path: Path = DEFAULT_FILE) -> Self:
        """Read a file.

        Raises:
            ObjectivesError: names the file, each wrong key with its value, and what to write instead.
        """
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ObjectivesError(f"{path}: {error.strerror}. Name a file that can be read.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ObjectivesError(f"{path} is not TOML: {error}. {DEFAULT_FILE} shows the form.") from error
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            problems = "\n".join(f"  {_problem(each)}" for each in error.errors())
            raise ObjectivesError(f"{path}:\n{problems}") from error


def _problem(error: ErrorDetails) -> str:
    """One wrong key: where it is, what stands there, what to do."""
    *tables, key = [str(part) for part in error["loc"]]
    place = ".".join([*tables, key])
    if error["type"] == "extra_forbidden":
        known = Bounds.model_fields if tables else ObjectiveFile.model_fields
        what = "objective" if tables else "table"
        return f"{place}: no such {what}. Remove it, or use one of: {', '.join(known)}."
    if error["type"] == "missing":
        return f"[{place}]: the table is missing. Add it; it may be empty."
    if not tables:
        return f"{place} = {error['input']!r}: must be a table. Write [{place}] and its objectives below it."
    what = "a share from 0 to 1" if "_share_" in key else "a number, 0 or more"
    return f"{place} = {error['input']!r}: write {what}, or remove the line so that it is not judged."
