"""The tasks there are: every module of `app.tasks`, and of the packages that MILLRACE_TASK_PACKAGES names."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.brokers.celery_app import celery_app
from app.errors import DeclarationError, MillraceError, TaskPackageError
from app.kinds.declared import Declaration
from app.kinds.schedules import Schedule, takes_slot
from app.settings import Settings

_OURS = "app.tasks"
_DRILLS = "app.drills"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A task's schedule on one queue; beat keeps the last slot under `name`."""

    name: str
    task: Any
    schedule: Schedule
    queue: str
    #: Whether the task gets its slot.
    takes_slot: bool


def import_tasks(settings: Settings) -> None:
    """Import every module with tasks, which registers them.

    Raises:
        TaskPackageError: a module cannot be imported; the message names it and says why.
        DeclarationError: a schedule cannot work; the message names its task.
    """
    for package in (_OURS, *((_DRILLS,) if settings.drills_enabled else ()), *settings.task_packages):
        for module in _modules(package):
            _import(module)
    entries()


def entries() -> tuple[Entry, ...]:
    """The schedules of all registered tasks, ordered by task name.

    Raises:
        DeclarationError: a schedule cannot work, or is in Celery's `beat_schedule`, which beat does not read.
    """
    if elsewhere := celery_app.conf.beat_schedule:
        raise DeclarationError(f"(beat_schedule names {', '.join(elsewhere)}: say schedule= in the task's declaration)")
    return tuple(entry for _, task in sorted(celery_app.tasks.items()) for entry in _entries_of(task))


def _entries_of(task: Any) -> Iterator[Entry]:
    schedule = getattr(task, "schedule", None)
    if schedule is None:
        return
    try:
        if not isinstance(schedule, Schedule):
            raise DeclarationError(f"schedule={schedule!r} must be a Cron or an Every of app.kinds")
        slot = takes_slot(task.run)
    except DeclarationError as error:
        raise DeclarationError(f"({task.name}: {error.detail})") from error
    queues = schedule.queues or (_queue_of(task),)
    for queue in queues:
        name = f"{task.name}@{queue}" if schedule.queues else task.name
        yield Entry(name=name, task=task, schedule=schedule, queue=queue, takes_slot=slot)


def _queue_of(task: Any) -> str:
    """The queue that Celery sends it to by default."""
    return str(getattr(task, "queue", None) or celery_app.amqp.router.route({}, task.name)["queue"].name)


def declarations() -> Mapping[str, Declaration]:
    """The declarations by the tasks' names. Plain Celery tasks have none."""
    found = {name: getattr(task, "declaration", None) for name, task in sorted(celery_app.tasks.items())}
    return {name: declaration for name, declaration in found.items() if declaration is not None}


def _modules(package: str) -> Iterator[str]:
    yield package
    folders = getattr(_import(package), "__path__", ())  # a single module has none
    for folder in map(Path, folders):
        _refuse_hidden(folder)
    for found in pkgutil.walk_packages(folders, f"{package}.", onerror=_refuse):
        if not found.name.endswith(".__main__"):  # a program, which would run here
            yield found.name


def _refuse_hidden(folder: Path) -> None:
    """Refuse a folder with modules but without `__init__.py`: Python's walk would ignore the tasks in it.

    Raises:
        TaskPackageError: the message names the folder.
    """
    for module in sorted(folder.rglob("*.py")):
        for inside in module.parents[: -len(folder.parents) - 1]:
            if not (inside / "__init__.py").exists():
                raise TaskPackageError(
                    f"({inside} has {module.name} but no __init__.py: add one, or move the module out)"
                )


def _import(module: str) -> object:
    try:
        return importlib.import_module(module)
    except MillraceError:
        raise  # it says itself where and what
    except Exception as error:
        raise TaskPackageError(f"({module}: {type(error).__name__}: {error})") from error


def _refuse(package: str) -> None:
    _import(package)
