"""The tasks there are: every module of `app.tasks`, and of the packages that MILLRACE_TASK_PACKAGES names."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping

from app.brokers.celery_app import celery_app
from app.errors import MillraceError, TaskPackageError
from app.kinds.declared import Declaration
from app.settings import Settings

_OURS = "app.tasks"
_DRILLS = "app.drills"


def import_tasks(settings: Settings) -> None:
    """Import every module with tasks, which registers them.

    Raises:
        TaskPackageError: a module cannot be imported; the message names it and says why.
    """
    for package in (_OURS, *((_DRILLS,) if settings.drills_enabled else ()), *settings.task_packages):
        for module in _modules(package):
            _import(module)


def declarations() -> Mapping[str, Declaration]:
    """The declarations by the tasks' names. Plain Celery tasks have none."""
    found = {name: getattr(task, "declaration", None) for name, task in sorted(celery_app.tasks.items())}
    return {name: declaration for name, declaration in found.items() if declaration is not None}


def _modules(package: str) -> Iterator[str]:
    yield package
    folders = getattr(_import(package), "__path__", ())  # a single module has none
    for found in pkgutil.walk_packages(folders, f"{package}.", onerror=_refuse):
        if not found.name.endswith(".__main__"):  # a program, which would run here
            yield found.name


def _import(module: str) -> object:
    try:
        return importlib.import_module(module)
    except MillraceError:
        raise  # it says itself where and what
    except Exception as error:
        raise TaskPackageError(f"({module}: {type(error).__name__}: {error})") from error


def _refuse(package: str) -> None:
    _import(package)
