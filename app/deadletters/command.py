"""`python -m app dead-letters list | show | replay | discard`. Never asks: a runbook and a script use the same words.

Exit codes: 0 done; 1 some of it was not (refused, or no longer dead); 2 a wrong request, or PostgreSQL is away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.console import Console

from app.audit import Actor, actor_of
from app.deadletters import archive_queries, views
from app.deadletters.progress import shown_when_slow
from app.deadletters.rebuild import Edit, remembered_since
from app.deadletters.replay import Order, Outcome, discard, replay
from app.deadletters.selection import Selection, moment
from app.errors import DependencyAwayError, ReplayRefusedError, SelectionError
from app.settings import load
from app.storage.availability import is_away
from app.storage.engine import engine

if TYPE_CHECKING:
    from sqlalchemy import Engine

dead_letters = typer.Typer(help="Look at dead letters, replay them, give them up.", no_args_is_help=True)

#: Letters that a dry run names.
_SAMPLE = 10
_PARTIAL = 1


class ShownState(StrEnum):
    """Which letters `list` shows."""

    DEAD = "dead"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
    ALL = "all"


Ids = Annotated[list[UUID] | None, typer.Argument(help="Ids of dead letters, as `list` shows them.")]
IdOption = Annotated[list[UUID] | None, typer.Option("--id", help="Only this one; may be repeated.")]
Queue = Annotated[str | None, typer.Option(help="Only those that died in this queue.")]
TaskName = Annotated[str | None, typer.Option("--task-name", help="Only those of this task.")]
Reason = Annotated[str | None, typer.Option(help="failed, time_limit, delivery_limit, undecodable, unknown_task, ...")]
ExceptionType = Annotated[str | None, typer.Option("--exception", help="Only those with this type of exception.")]
Job = Annotated[UUID | None, typer.Option(help="Only those of this job.")]
Since = Annotated[str | None, typer.Option(help="Died since: 15m, 2h, 3d ago, or ISO 8601.")]
Until = Annotated[str | None, typer.Option(help="Died before: likewise.")]
All = Annotated[bool, typer.Option("--all", help="Yes, every dead letter.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count and show a sample; change nothing.")]
Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
Note = Annotated[str, typer.Option(help="Why, for the audit.")]


@dead_letters.command("list")
def list_letters(
    ids: IdOption = None,
    queue: Queue = None,
    task_name: TaskName = None,
    reason: Reason = None,
    exception: ExceptionType = None,
    job: Job = None,
    since: Since = None,
    until: Until = None,
    state: Annotated[ShownState, typer.Option(help="Which letters.")] = ShownState.DEAD,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Show the newest dead letters. Reads PostgreSQL only."""
    selection = _selection(ids, queue, task_name, reason, exception, job, since, until)
    with _database() as database, database.connect() as connection:
        letters = archive_queries.newest(
            connection, selection, state=None if state is ShownState.ALL else state.value, limit=limit
        )
    if as_json:
        typer.echo(views.to_json([views.summary(letter) for letter in letters]))
    else:
        views.print_letters(_console(), letters)


@dead_letters.command()
def show(dead_letter_id: UUID, as_json: Json = False) -> None:
    """Show one dead letter whole: headers, body, failed attempts, what operators did."""
    with _database() as database, database.connect() as connection:
        history = archive_queries.history(connection, dead_letter_id)
    if as_json:
        typer.echo(views.to_json(views.whole(history)))
    else:
        views.print_history(_console(), history)


@dead_letters.command("replay")
def replay_letters(
    ids: Ids = None,
    queue: Queue = None,
    task_name: TaskName = None,
    reason: Reason = None,
    exception: ExceptionType = None,
    job: Job = None,
    since: Since = None,
    until: Until = None,
    everything: All = False,
    dry_run: DryRun = False,
    task: Annotated[str | None, typer.Option(help="Replay one letter under this task name.")] = None,
    body_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Replay one letter with this body.")
    ] = None,
    include_chords: Annotated[bool, typer.Option("--include-chords", help="Members of chords too.")] = False,
    forgotten: Annotated[
        bool, typer.Option("--forgotten", help="Also what died so long ago that it may happen a second time.")
    ] = False,
    per_second: Annotated[float, typer.Option(min=0, help="At most so many letters a second; 0: no limit.")] = 200,
    note: Note = "",
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Send dead letters to their queues again, through the outbox; each keeps its task id."""
    selection = _selection(ids, queue, task_name, reason, exception, job, since, until)
    _refuse_empty(selection, everything=everything)
    edit = Edit(task=task, body=body_file.read_bytes() if body_file else None)
    order = Order(
        selection=selection,
        actor=actor_of(actor),
        note=note,
        edit=edit,
        include_chords=include_chords,
        remembered_since=None if forgotten else remembered_since(load().retention_inbox_days),
        per_second=per_second,
    )
    with _database() as database:
        if dry_run:
            _dry_run(database, selection, as_json=as_json)
            return
        not_dead = _not_dead(database, selection)
        if edit and not_dead:
            raise ReplayRefusedError("; ".join(f"{letter} is {state}" for letter, state in not_dead.items()))
        with shown_when_slow("Replaying", hidden=as_json) as progress:
            outcome = replay(database, order, progress=progress)
    _report("replayed", outcome, not_dead, as_json=as_json)


@dead_letters.command("discard")
def discard_letters(
    note: Annotated[str, typer.Option(help="Why they may be given up; stands in the audit.")],
    ids: Ids = None,
    queue: Queue = None,
    task_name: TaskName = None,
    reason: Reason = None,
    exception: ExceptionType = None,
    job: Job = None,
    since: Since = None,
    until: Until = None,
    everything: All = False,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Give dead letters up. Their rows stay in the archive, with your note."""
    selection = _selection(ids, queue, task_name, reason, exception, job, since, until)
    _refuse_empty(selection, everything=everything)
    if not note.strip():
        raise SelectionError("--note must say why they may be given up")
    with _database() as database:
        if dry_run:
            _dry_run(database, selection, as_json=as_json)
            return
        not_dead = _not_dead(database, selection)
        with shown_when_slow("Discarding", hidden=as_json) as progress:
            outcome = discard(database, Order(selection=selection, actor=actor_of(actor), note=note), progress=progress)
    _report("discarded", outcome, not_dead, as_json=as_json)


def _selection(
    ids: list[UUID] | None,
    queue: str | None,
    task_name: str | None,
    reason: str | None,
    exception: str | None,
    job: UUID | None,
    since: str | None,
    until: str | None,
) -> Selection:
    return Selection(
        ids=tuple(ids or ()),
        queue=queue,
        task=task_name,
        reason=reason,
        exception=exception,
        job_id=job,
        since=moment(since) if since else None,
        until=moment(until) if until else None,
    )


def _refuse_empty(selection: Selection, *, everything: bool) -> None:
    if selection.empty and not everything:
        raise SelectionError("No id and no filter was given: that would be every dead letter; if so, say --all.")


def _not_dead(database: Engine, selection: Selection) -> dict[UUID, str]:
    """Those among the ids that were named which are dead no longer."""
    if not selection.ids:
        return {}
    with database.connect() as connection:
        states = archive_queries.states(connection, selection.ids)
    return {letter: state for letter, state in states.items() if state != "dead"}


def _dry_run(database: Engine, selection: Selection, *, as_json: bool) -> None:
    with database.connect() as connection:
        groups = archive_queries.groups(connection, selection, state="dead")
        sample = archive_queries.newest(connection, selection, state="dead", limit=_SAMPLE)
    matched = sum(group.letters for group in groups)
    if as_json:
        found = {
            "dry_run": True,
            "matched": matched,
            "groups": groups,
            "sample": [views.summary(one) for one in sample],
        }
        typer.echo(views.to_json(found))
        return
    console = _console()
    views.print_groups(console, groups)
    console.print(f"\n{matched} dead letters are meant; nothing was changed. The newest of them:\n")
    views.print_letters(console, sample)


def _report(verb: str, outcome: Outcome, not_dead: dict[UUID, str], *, as_json: bool) -> None:
    if as_json:
        typer.echo(
            views.to_json(
                {
                    "dry_run": False,
                    "matched": outcome.matched,
                    verb: outcome.done,
                    "refused": outcome.refused,
                    "refusals": {str(letter): reason for letter, reason in outcome.refusals.items()},
                    "not_dead": {str(letter): state for letter, state in not_dead.items()},
                    "message_ids": {str(letter): str(message) for letter, message in outcome.message_ids.items()},
                }
            )
        )
    else:
        typer.echo(f"{outcome.done} of {outcome.matched} dead letters {verb}.")
        for letter, state in not_dead.items():
            typer.echo(f"{letter}: is {state} already", err=True)
        for letter, reason in outcome.refusals.items():
            typer.echo(f"{letter}: refused: {reason}", err=True)
        if elsewhere := outcome.matched - outcome.done - outcome.refused:
            typer.echo(f"{elsewhere} were taken by somebody else meanwhile", err=True)
        if outcome.refused > len(outcome.refusals):
            typer.echo(f"and {outcome.refused - len(outcome.refusals)} more were refused", err=True)
    if outcome.refused or not_dead or outcome.done < outcome.matched:
        raise typer.Exit(_PARTIAL)


def _console() -> Console:
    # A pipe is no terminal of 80 columns: an id that is folded cannot be copied.
    console = Console()
    return console if console.is_terminal else Console(width=200)


@contextmanager
def _database() -> Iterator[Engine]:
    """The operator's engine; an outage is one line that says so."""
    try:
        yield engine()
    except Exception as error:
        if is_away(error):
            raise DependencyAwayError(str(error).splitlines()[0]) from error
        raise
