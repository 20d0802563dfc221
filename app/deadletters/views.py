"""How dead letters look: tables for people, plain values for programs. Pure, but for the console it prints to."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import orjson
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from app.deadletters.archive_queries import Group, History, StoredLetter

#: A body is shown to people up to here; `--json` has all of it.
_BODY_SHOWN_BYTES = 4_000


def summary(letter: StoredLetter) -> dict[str, Any]:
    """A letter without its body and headers."""
    return {name: value for name, value in asdict(letter).items() if name not in {"body", "properties"}}


def whole(history: History) -> dict[str, Any]:
    """A letter with all that is known. The body in base64 is exact; as text it is for reading."""
    body = history.letter.body
    return summary(history.letter) | {
        "properties": history.letter.properties,
        "body_base64": base64.b64encode(body).decode(),
        "body_text": body.decode("utf-8", "backslashreplace"),
        "failures": history.failures,
        "actions": history.actions,
    }


def to_json(value: Any) -> str:
    """JSON for programs."""
    return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()


def print_letters(console: Console, letters: Sequence[StoredLetter]) -> None:
    """A table of letters, newest first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "died", "queue", "task", "reason", "exception", "tries", "state"):
        table.add_column(name, no_wrap=name in {"id", "died"}, overflow="fold")
    for letter in letters:
        table.add_row(
            Text(str(letter.dead_letter_id)),
            f"{letter.died_at:%Y-%m-%d %H:%M:%S}",
            Text(letter.queue),
            Text(letter.task_name or "-"),
            Text(letter.reason, style="red" if letter.state == "dead" else ""),
            Text(letter.exception_type or "-"),
            str(letter.attempts),
            letter.state,
        )
    console.print(table)


def print_groups(console: Console, groups: Sequence[Group]) -> None:
    """Counts by queue, task and reason."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("letters", "queue", "task", "reason"):
        table.add_column(name)
    for group in groups:
        table.add_row(str(group.letters), Text(group.queue), Text(group.task_name or "-"), Text(group.reason))
    console.print(table)


def print_history(console: Console, history: History) -> None:
    """One letter, for a person who must decide what to do with it."""
    letter = history.letter
    facts = Table(box=None, pad_edge=False, show_header=False)
    for name, value in summary(letter).items():
        shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        facts.add_row(Text(name, style="bold"), Text(shown))
    console.print(facts)
    console.rule("headers and properties", align="left")
    console.print(Syntax(to_json(letter.properties), "json", word_wrap=True))
    console.rule(f"body, {len(letter.body)} bytes", align="left")
    console.print(_body(letter.body))
    if history.failures:
        console.rule("failed attempts, newest first", align="left")
        for failure in history.failures:
            console.print(
                Text(
                    f"{_at(failure, 'failed_at')}  attempt {failure['attempt']}  {failure['reason']}  "
                    f"{failure['exception_type']}: {failure['exception_message']}  on {failure['worker']}"
                )
            )
        if traceback := history.failures[0]["traceback"]:
            console.print(Text(traceback, style="dim"))
    if history.actions:
        console.rule("actions", align="left")
        for action in history.actions:
            console.print(Text(f"{_at(action, 'acted_at')}  {action['action']} by {action['actor']}: {action['note']}"))


def _at(row: Mapping[str, Any], name: str) -> str:
    return f"{row[name]:%Y-%m-%d %H:%M:%S}"


def _body(body: bytes) -> Text:
    shown = body
    with suppress(orjson.JSONDecodeError):  # as it is, then
        shown = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2)
    text = shown[:_BODY_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return Text(text + (" …" if len(shown) > _BODY_SHOWN_BYTES else ""))
