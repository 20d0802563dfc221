"""The decorators that declare a task, one for each kind. They refuse a task that cannot work, at import."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from app import contract
from app.brokers.celery_app import celery_app
from app.errors import DeclarationError, QueueNotDeclaredError
from app.kinds.batches import BatchTask
from app.kinds.declared import AtLeastOnceTask, Declaration, DeclaredTask, Kind, OnceTask
from app.kinds.items import ItemForm
from app.kinds.ordered import AFTER_DEATH, OrderedTask
from app.kinds.transaction import Transaction
from app.results.postgresql_backend import PostgreSQLResults

#: Where the gateway serves a task declared with `http=True`.
TASKS_PATH = "/v1/tasks/"

#: The values of `result=`; None is the app's own backend.
_RESULTS: Mapping[str, type[PostgreSQLResults] | None] = {"redis": None, "postgresql": PostgreSQLResults}

Function = Callable[..., Any]
Decorator = Callable[[Function], DeclaredTask]

_BASES: Mapping[Kind, type[DeclaredTask]] = {
    Kind.AT_LEAST_ONCE: AtLeastOnceTask,
    Kind.ONCE: OnceTask,
    Kind.ONCE_IN_BATCHES: BatchTask,
}


def at_least_once(**options: Any) -> Decorator:
    """Declare an ordinary Celery task: never lost, it may run twice. Needs nothing of PostgreSQL.

    Options are those of `once`.
    """
    return _decorator(Kind.AT_LEAST_ONCE, options)


def once(**options: Any) -> Decorator:
    """Declare a task whose effect in PostgreSQL happens once; it gets the `Transaction` to have it in.

    Options:
        queue: a declared queue; the first one, if left out.
        list_queue: where the gateway sends lists; the same queue, if left out.
        name: the function's, if left out.
        http: serve it at POST /v1/tasks/<name>. One parameter is then a pydantic model.
        path: serve it there as well.
        key: the member of that model that tells one item from another. Left out, every item is a new one.
        ordered_by: a member: items with the same value of it take effect in the order of their acceptance
            (docs/patterns/order.md). Items without a value have no order.
        after_death: what the items behind a dead one do: "stop", until it is replayed or discarded, or "go_on".
        result: keeps what it returns, under the task's id: "redis" for a day, "postgresql" for 30 days. Left out, the
            result is not kept; links, chains and chords get it all the same.
        schema: statements that make what the task needs in PostgreSQL, in the schema `tasks`; `migrate` runs them each
            time, so they say IF NOT EXISTS.
        schedule: when beat sends it: a `Cron` or an `Every`. The function then has no parameter without a default, or
            one, a `datetime`, which gets the slot.
        runs_as: for patterns (`app/patterns`): a subclass of the kind's own task, which executes the message.
        Everything else is Celery's: time_limit, max_retries, throws, …

    Raises:
        DeclarationError: it cannot work as declared; the message says why.
        QueueNotDeclaredError: there is no such queue.
    """
    return _decorator(Kind.ONCE, options)


def once_in_batches(**options: Any) -> Decorator:
    """Declare a task that gets a list of items and the `Transaction`; each item is executed once, a bad one alone.

    Options are those of `once`.
    """
    return _decorator(Kind.ONCE_IN_BATCHES, options)


def _decorator(kind: Kind, options: dict[str, Any]) -> Decorator:
    def decorate(function: Function) -> DeclaredTask:
        return _declare(kind, function, **options)

    return decorate


def _declare(
    kind: Kind,
    function: Function,
    *,
    queue: str | None = None,
    list_queue: str | None = None,
    name: str | None = None,
    http: bool = False,
    path: str | None = None,
    key: str | None = None,
    ordered_by: str | None = None,
    after_death: str | None = None,
    schema: str = "",
    result: str | None = None,
    runs_as: type[DeclaredTask] | None = None,
    **celery_options: Any,
) -> DeclaredTask:
    name = name or function.__name__
    where = f"{function.__module__}:{function.__name__}"
    try:
        hints = get_type_hints(function)
        _check_parameters(function, celery_options)
        kept = _kept(kind, result)
        transaction = _transaction(kind, function, hints)
        forms = _forms(kind, hints, key, ordered_by)
        _check_order(kind, forms, ordered_by, after_death, runs_as)
        _check_name(name, where)
        paths = ((TASKS_PATH + name,) if http else ()) + ((path,) if path else ())
        _check_paths(paths, forms, where)
    except (DeclarationError, NameError) as error:
        raise DeclarationError(f"({where}: {getattr(error, 'detail', error)})") from error
    queue = queue or contract.queue_names()[0]
    for named in (queue, list_queue or queue):
        if named not in contract.queue_names():
            raise QueueNotDeclaredError(f"({where} names {named!r}; declared are {', '.join(contract.queue_names())})")
        if any(one.foreign for one in contract.queues() if one.name == named):
            raise DeclarationError(f"({where}: an application that is not ours consumes the queue {named!r})")
    signature = inspect.signature(function)
    shown = [parameter for parameter in signature.parameters.values() if parameter.name != transaction]
    declaration = Declaration(
        kind=kind, signature=signature.replace(parameters=shown), transaction=transaction, forms=forms, queue=queue,
        list_queue=list_queue or queue, paths=paths, result=result,
        goes_on=AFTER_DEATH[after_death or "stop"], schema=schema, where=where,
    )  # fmt: skip
    base = runs_as or (OrderedTask if ordered_by else _BASES[kind])
    options = {"base": base, "name": name, "declaration": declaration, **kept, **celery_options}
    made: DeclaredTask = celery_app.task(**options)(_without(function, declaration.signature))
    return made


def _without(function: Function, signature: inspect.Signature) -> Function:
    """The function, for Celery, which checks the arguments of `delay` and knows nothing of transactions."""

    def run(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    run.__name__, run.__qualname__ = function.__name__, function.__qualname__
    run.__module__, run.__doc__ = function.__module__, function.__doc__
    run.__signature__ = signature  # type: ignore[attr-defined]  # what inspect reads
    return run


def _check_parameters(function: Function, options: Mapping[str, Any]) -> None:
    named = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in named:
            raise DeclarationError(f"the parameter {parameter.name} cannot be given by its name")
    if refused := options.keys() & {"bind", "base"}:
        raise DeclarationError(f"{refused.pop()}= is the kind's own; `celery.current_task` is the running task")
    if refused := options.keys() & {"ignore_result", "backend"}:
        raise DeclarationError(f"{refused.pop()}=: say result={' or '.join(map(repr, _RESULTS))}, or nothing")


def _kept(kind: Kind, result: str | None) -> dict[str, Any]:
    """Celery's options for a result."""
    if result is None:
        return {"ignore_result": True}
    if kind is Kind.ONCE_IN_BATCHES:
        raise DeclarationError("result=: a batch may be executed in parts, so it has no single result")
    if result not in _RESULTS:
        raise DeclarationError(f"result={result!r}: must be one of {', '.join(_RESULTS)}")
    backend = _RESULTS[result]
    return {"ignore_result": False} | ({"backend": backend(app=celery_app)} if backend else {})


def _check_paths(paths: tuple[str, ...], forms: Mapping[str, ItemForm], where: str) -> None:
    if paths and len(forms) != 1:
        raise DeclarationError(f"the gateway needs one parameter that is an item, and there are {len(forms)}")
    for task in celery_app.tasks.values():
        other = getattr(task, "declaration", None)
        if other is not None and other.where != where and (taken := set(paths).intersection(other.paths)):
            raise DeclarationError(f"{taken.pop()} is served by {other.where} already")
    for path in paths:
        if not path.startswith("/v1/") or path.startswith(("/v1/jobs", "/v1/batches", "/v1/uploads")):
            raise DeclarationError(f"path={path!r}: must begin with /v1/ and not be one of the gateway's own")


def _transaction(kind: Kind, function: Function, hints: Mapping[str, Any]) -> str | None:
    found = [name for name, hint in hints.items() if hint is Transaction and name != "return"]
    if kind is Kind.AT_LEAST_ONCE:
        if found:
            raise DeclarationError("a task that may run twice has no Transaction; declare it `once`")
        return None
    if len(found) != 1:
        raise DeclarationError("exactly one parameter must be annotated with Transaction")
    if kind is Kind.ONCE_IN_BATCHES and len(inspect.signature(function).parameters) != len(("items", "transaction")):
        raise DeclarationError("a task in batches takes a list of items and a Transaction, nothing else")
    return found[0]


def _check_order(
    kind: Kind, forms: Mapping[str, ItemForm], ordered_by: str | None, after_death: str | None, runs_as: object
) -> None:
    if ordered_by is None:
        if after_death is not None:
            raise DeclarationError("after_death= is for tasks in order: say ordered_by=, too")
        return
    if kind is not Kind.ONCE or runs_as is not None:
        raise DeclarationError("ordered_by=: only a plain task `once` can be in order")
    if len(forms) != 1:
        raise DeclarationError(f"ordered_by= needs one parameter that is a pydantic model, and there are {len(forms)}")
    if after_death not in {None, *AFTER_DEATH}:
        raise DeclarationError(f"after_death={after_death!r}: must be one of {', '.join(AFTER_DEATH)}")


def _forms(kind: Kind, hints: Mapping[str, Any], key: str | None, ordered_by: str | None) -> dict[str, ItemForm]:
    forms: dict[str, ItemForm] = {}
    for name, hint in hints.items():
        in_list = get_origin(hint) is list and len(get_args(hint)) == 1
        model = get_args(hint)[0] if kind is Kind.ONCE_IN_BATCHES and in_list else hint
        if name != "return" and isinstance(model, type) and issubclass(model, BaseModel):
            if model is hint and kind is Kind.ONCE_IN_BATCHES:
                raise DeclarationError(f"{name}: a task in batches takes list[{model.__name__}]")
            forms[name] = ItemForm(model, key, ordered_by)
    if kind is Kind.ONCE_IN_BATCHES and len(forms) != 1:
        raise DeclarationError("a task in batches takes a list of a pydantic model")
    if key is not None and kind is Kind.AT_LEAST_ONCE:
        raise DeclarationError("key=: a task that may run twice remembers no keys; declare it `once`")
    if key is not None and not forms:
        raise DeclarationError(f"key={key!r}, and no parameter is a pydantic model")
    return forms


def _check_name(name: str, where: str) -> None:
    if not name.isidentifier():
        raise DeclarationError(f"{name!r} is no name: letters, digits and underscores")
    other = getattr(celery_app.tasks.get(name), "declaration", None)
    if name in celery_app.tasks and getattr(other, "where", None) != where:
        raise DeclarationError(f"another task is called {name!r} already{f': {other.where}' if other else ''}")
