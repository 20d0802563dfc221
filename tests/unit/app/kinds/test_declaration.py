"""How a task is declared: a task that cannot work is refused, with where it stands and why."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, SecretStr, StringConstraints

from app import contract
from app.errors import DeclarationError, MillraceError, QueueNotDeclaredError, TaskPackageError
from app.kinds import JsonObject, JsonText, Transaction, at_least_once, once, once_in_batches, registry
from app.results.postgresql_backend import PostgreSQLResults
from app.settings import load

ORDER = UUID("8a316501-e7df-5a55-bdfa-64d1c8570655")


class Invoice(BaseModel):
    """An item."""

    order_id: UUID
    amount: Decimal = Decimal(1)


registry.import_tasks(load())


def single(invoice: Invoice, tx: Transaction) -> None:
    """A task `once`."""


def many(invoices: list[Invoice], tx: Transaction) -> None:
    """A task in batches."""


def plain(invoice: Invoice, times: int = 1) -> str:
    """A task at least once."""
    return f"{invoice.order_id} {times}"


def without(invoice: Invoice) -> None:
    """Without a transaction."""


def two(one: Invoice, other: Invoice, tx: Transaction) -> None:
    """With two items."""


def one_of_many(invoice: Invoice, tx: Transaction) -> None:
    """In batches, but with one item."""


def of_words(words: list[str], tx: Transaction) -> None:
    """In batches of what is no model."""


def with_more(invoices: list[Invoice], tx: Transaction, more: int = 1) -> None:
    """In batches, with something else."""


def positional(invoice: Invoice, /, tx: Transaction) -> None:
    """With a parameter that has no name for callers."""


class Secret(BaseModel):
    """A model with a member that is not in its JSON."""

    password: SecretStr


class Constrained(BaseModel):
    """A JSON text with a constraint, which the door could not check."""

    content: Annotated[JsonText, StringConstraints(max_length=10)]


class Optional(BaseModel):
    """A JSON text inside another type."""

    content: JsonObject | None = None


class Renamed(BaseModel):
    """Aliases beside a JSON text."""

    content: JsonText
    other: int = Field(alias="theOther")


def secret(item: Secret) -> None:
    """Takes it."""


def constrained(item: Constrained) -> None:
    """Takes it."""


def optional(item: Optional) -> None:
    """Takes it."""


def renamed(item: Renamed) -> None:
    """Takes it."""


REFUSED: list[tuple[Callable[..., Any], Callable[..., Any], dict[str, Any], str]] = [
    (once, without, {}, "exactly one parameter must be annotated with Transaction"),
    (once_in_batches, without, {}, "exactly one parameter must be annotated with Transaction"),
    (at_least_once, single, {}, "a task that may run twice has no Transaction; declare it `once`"),
    (once_in_batches, one_of_many, {}, "a task in batches takes list[Invoice]"),
    (once_in_batches, of_words, {}, "a task in batches takes a list of a pydantic model"),
    (once_in_batches, with_more, {}, "takes a list of items and a Transaction, nothing else"),
    (once, two, {"http": True}, "the gateway needs one parameter that is an item, and there are 2"),
    (once, single, {"key": "number"}, "key='number': Invoice has the members order_id, amount"),
    (once, single, {"name": "no name"}, "'no name' is no name: letters, digits and underscores"),
    (once, single, {"name": contract.TASK_CANARY}, "another task is called 'canary' already"),
    (once, positional, {}, "the parameter invoice cannot be given by its name"),
    (once, single, {"bind": True}, "bind= is the kind's own"),
    (once, single, {"result": "mongodb"}, "result='mongodb': must be one of redis, postgresql"),
    (once, single, {"ignore_result": False}, "ignore_result=: say result='redis' or 'postgresql', or nothing"),
    (once_in_batches, many, {"result": "redis"}, "a batch may be executed in parts, so it has no single result"),
    (at_least_once, plain, {"key": "order_id"}, "a task that may run twice remembers no keys"),
    (once, single, {"path": "v1/orders"}, "path='v1/orders': must begin with /v1/"),
    (once, single, {"path": "/v1/events"}, "/v1/events is served by app.tasks.user_events:ingest_user_event already"),
    (at_least_once, secret, {}, "Secret.password would not be in the message"),
    (at_least_once, constrained, {}, "Constrained.content: a JSON text has no alias, no constraint and no other type"),
    (at_least_once, optional, {}, "Optional.content: a JSON text has no alias, no constraint and no other type"),
    (at_least_once, renamed, {}, "Renamed: a model with a JSON text has no aliases"),
]


@pytest.mark.parametrize(("kind", "function", "options", "why"), REFUSED)
def test_what_cannot_work_is_refused(
    kind: Callable[..., Any], function: Callable[..., Any], options: dict[str, Any], why: str
) -> None:
    """When the module is imported, with the function's name and what is wrong."""
    with pytest.raises(DeclarationError) as raised:
        kind(**options)(function)

    assert f"test_declaration:{function.__name__}: " in str(raised.value)
    assert why in str(raised.value)


def test_a_result_is_kept_where_asked() -> None:
    """Nowhere, if nothing is said; in the app's backend, which is Redis; or in PostgreSQL."""
    kept = {result: once(name=f"kept_{result}", result=result)(single) for result in (None, "redis", "postgresql")}

    assert {result: task.ignore_result for result, task in kept.items()} == {
        None: True, "redis": False, "postgresql": False,
    }  # fmt: skip
    assert kept["redis"].backend is kept[None].backend
    assert isinstance(kept["postgresql"].backend, PostgreSQLResults)


@pytest.mark.parametrize("option", ["queue", "list_queue"])
def test_an_undeclared_queue_is_refused(option: str) -> None:
    """With the queues that there are."""
    with pytest.raises(QueueNotDeclaredError, match="names 'nowhere'; declared are interactive, bulk"):
        once(**{option: "nowhere"})(single)


def test_a_queue_of_an_application_that_is_not_ours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker of ours reads it: the task would never run."""
    legacy = contract.Queue(name="legacy", purpose="a test", pool={"application": {"image": "legacy:1"}})
    known = (*contract.queues(), legacy)
    monkeypatch.setattr(contract, "queues", lambda: known)
    with pytest.raises(DeclarationError, match="an application that is not ours consumes the queue 'legacy'"):
        once(queue="legacy")(single)


def test_two_tasks_of_one_name_are_refused() -> None:
    """One of them would never run. The same function again is the same task."""
    once(name="twin")(single)

    with pytest.raises(DeclarationError, match=r"another task is called 'twin' already: .*:single"):
        at_least_once(name="twin")(plain)


def test_a_package_that_cannot_be_imported_is_named(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the module inside it, and what was raised there; an error of ours says itself what is wrong."""
    package = tmp_path / "acme"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "broken.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def settings(*packages: str) -> Any:
        return load().model_copy(update={"task_packages": packages})

    with pytest.raises(TaskPackageError, match=r"acme\.broken: ModuleNotFoundError: No module named 'no_such_module'"):
        registry.import_tasks(settings("acme"))
    with pytest.raises(TaskPackageError, match="no_such_package"):
        registry.import_tasks(settings("no_such_package"))
    (package / "broken.py").write_text(
        "from app.kinds import once\n\n@once(queue='nowhere')\ndef lost(tx: 'Transaction'): ...\n"
    )
    with pytest.raises(MillraceError, match=r"acme\.broken:lost"):
        registry.import_tasks(settings("acme"))


def test_a_folder_that_python_passes_over_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, its tasks were silently unknown to every process. This holds at any depth."""
    (tmp_path / "hidden_tasks" / "billing" / "monthly").mkdir(parents=True)
    (tmp_path / "hidden_tasks" / "__init__.py").touch()
    (tmp_path / "hidden_tasks" / "billing" / "monthly" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = load().model_copy(update={"task_packages": ("hidden_tasks",)})

    with pytest.raises(TaskPackageError, match=r"billing.* no __init__\.py"):
        registry.import_tasks(settings)
    (tmp_path / "hidden_tasks" / "billing" / "__init__.py").touch()
    registry.import_tasks(settings)
