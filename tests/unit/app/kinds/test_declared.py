"""A declared task is an ordinary Celery task, whose items travel as they must."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from celery import chain
from pydantic import BaseModel, ConfigDict, Field, WrapValidator, computed_field, create_model
from pydantic_core import core_schema

from app import contract
from app.brokers.celery_app import celery_app
from app.brokers.transactional import captured
from app.errors import BatchResultError
from app.kinds import JsonText, PoisonError, Transaction, at_least_once, once, once_in_batches
from app.kinds.declared import DeclaredTask, Kind

ORDER = UUID("8a316501-e7df-5a55-bdfa-64d1c8570655")


class Invoice(BaseModel):
    """An item."""

    order_id: UUID
    amount: Decimal = Decimal(1)


class Note(BaseModel):
    """An item with a part that nobody here looks into."""

    name: str
    content: JsonText


def single(invoice: Invoice, tx: Transaction) -> None:
    """A task `once`."""


def many(invoices: list[Invoice], tx: Transaction) -> None:
    """A task in batches."""


def plain(invoice: Invoice, times: int = 1) -> str:
    """A task at least once."""
    return f"{invoice.order_id} {times}"


def _messages(send: Callable[[], Any]) -> list[tuple[str, list[Any], dict[str, Any]]]:
    with captured() as messages:
        send()
    found = []
    for message in messages:
        args, kwargs, _ = json.loads(message.body)
        found.append((message.queue, [*args, kwargs], message.properties["application_headers"]))
    return found


def test_a_declared_task_goes_to_its_queue() -> None:
    """By `delay`, by `apply_async` and by its name; and elsewhere where the caller says so."""
    task: DeclaredTask = at_least_once(queue="bulk")(plain)

    sent = _messages(
        lambda: (
            task.delay(Invoice(order_id=ORDER)), celery_app.send_task("plain", args=[1]),
            task.apply_async((1,), queue="external"),
        )
    )  # fmt: skip

    assert [queue for queue, *_ in sent] == ["bulk", "bulk", "external"]
    assert task.declaration.kind is Kind.AT_LEAST_ONCE


def test_an_item_travels_as_text_and_its_key_in_a_header() -> None:
    """A message that comes from Python is the one that comes from the gateway."""
    task: DeclaredTask = once(key="order_id")(single)
    exact = Invoice(order_id=ORDER, amount=Decimal("0.1000000000000000055"))

    [(_, [text, _], headers)] = _messages(lambda: task.delay(exact))

    assert task.declaration.form.from_wire(text) == exact
    assert headers[contract.MESSAGE_KEY] == str(ORDER)


def test_the_key_is_the_same_whatever_way_it_was_sent() -> None:
    """By `delay`, in a signature, as the dict or the text of a model: or one order would be billed twice."""
    task: DeclaredTask = once(key="order_id")(single)
    order = Invoice(order_id=ORDER)
    ways = [order, order.model_dump(mode="json"), order.model_dump_json()]

    sent = [_messages(lambda way=way: task.delay(way)) for way in ways]  # type: ignore[misc]
    sent += [_messages(lambda: task.s(order).delay()), _messages(lambda: task.si(order).apply_async())]
    sent += [_messages(lambda: task.delay(invoice=order))]

    assert {headers[contract.MESSAGE_KEY] for [(_, _, headers)] in sent} == {str(ORDER)}
    [(*_, headers)] = _messages(lambda: task.delay("no invoice"))
    assert contract.MESSAGE_KEY not in headers


def test_an_item_may_follow_the_result_of_the_task_before() -> None:
    """In a chain the result comes first, when there is one."""
    task: DeclaredTask = at_least_once()(after)
    item = Invoice(order_id=ORDER)

    [(_, [*_, called], _headers)] = _messages(lambda: chain(task.s(1, item), task.s(item)).delay())

    assert called == {}
    assert task.s(item).args == (task.declaration.form.to_wire(item),)


def after(result: int, invoice: Invoice) -> str:
    """A task that takes a result and an item."""
    return f"{result} {invoice.order_id}"


def test_nothing_waits_for_a_batch() -> None:
    """It may be executed in parts, and what waits for it would begin before the last of them."""
    task: DeclaredTask = once_in_batches()(many)
    item = Invoice(order_id=ORDER)

    with pytest.raises(BatchResultError):
        task.apply_async(([item],), link=task.si([item]))
    with pytest.raises(BatchResultError):
        chain(task.si([item]), task.si([item])).delay()


class Aliased(BaseModel):
    """Its members have other names in JSON, and one is computed."""

    model_config = ConfigDict(extra="forbid")

    order_id: str | None = Field(None, alias="orderId")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def shown(self) -> str:
        """Not part of the message."""
        return f"order {self.order_id}"


def aliased(item: Aliased, tx: Transaction) -> None:
    """Takes it."""


def test_what_is_made_in_python_survives_the_way() -> None:
    """Aliases and computed members too; and an item without a key is not the item `None`."""
    task: DeclaredTask = once(key="order_id")(aliased)
    form = task.declaration.form

    assert form.from_wire(form.to_wire(Aliased(orderId="7"))) == Aliased(orderId="7")
    assert form.key_of(Aliased()) is None


def test_a_member_that_is_json_text_travels_inside_an_object() -> None:
    """As text in text it would be twice as long for each quotation mark."""
    task: DeclaredTask = at_least_once()(noted)
    note = Note(name="n", content='{"a":1.10}')

    [(_, [carried, _], _headers)] = _messages(lambda: task.delay(note))

    assert carried == {"name": "n", "content": '{"a":1.10}'}
    assert task.declaration.form.from_wire(carried) == note


def noted(note: Note) -> None:
    """A task at least once."""


def test_items_of_a_batch_have_keys() -> None:
    """Their own, or one each that nobody else has."""
    keyed: DeclaredTask = once_in_batches(key="order_id")(many)
    other: DeclaredTask = once_in_batches(name="unkeyed")(many)
    item = Invoice(order_id=ORDER)

    [(_, [[one], _], _headers)] = _messages(lambda: keyed.delay([item]))
    [(_, [[first, second], _], _headers)] = _messages(lambda: other.delay([item, item]))

    assert one["key"] == str(ORDER)
    assert first["key"] != second["key"]
    assert first["item"] == second["item"]


def test_a_signature_takes_items_too() -> None:
    """In a chain the later tasks are inside the message of the first."""
    task: DeclaredTask = at_least_once()(plain)

    [(_, [text, named], _headers)] = _messages(lambda: task.s(Invoice(order_id=ORDER), times=2).apply_async())

    assert task.declaration.form.from_wire(text) == Invoice(order_id=ORDER)
    assert named == {"times": 2}


def test_called_by_hand_it_is_the_function() -> None:
    """So that a test of somebody's task needs nothing of ours."""
    task: DeclaredTask = at_least_once()(plain)

    assert task(Invoice(order_id=ORDER), times=3) == f"{ORDER} 3"


def test_the_senders_time_limits_stay_at_home() -> None:
    """In a message they would hold in the pool that executes it, which has its own; what a task declares goes along."""
    task: DeclaredTask = at_least_once()(plain)
    slow: DeclaredTask = at_least_once(name="slow", time_limit=600, soft_time_limit=500)(plain)

    [(*_, headers)] = _messages(lambda: task.delay(1))
    [(*_, declared)] = _messages(lambda: slow.delay(1))

    assert headers["timelimit"] == [None, None]
    assert declared["timelimit"] == [600, 500]


def test_wrong_arguments_are_refused_by_the_sender() -> None:
    """As Celery does; the transaction is none of them."""
    task: DeclaredTask = once()(single)

    with pytest.raises(TypeError):
        task.delay()
    with pytest.raises(TypeError):
        task.delay(Invoice(order_id=ORDER), "a transaction")


@pytest.mark.parametrize("carried", ['{"order_id": "no"}', "no json", {"amount": 1}, None, 7])
def test_what_a_model_does_not_take_is_poison(carried: object) -> None:
    """A worker that meets an item of another release says so, and shows nothing of its content."""
    task: DeclaredTask = once()(single)

    with pytest.raises(PoisonError):
        task.declaration.form.from_wire(carried)


class Point:
    """A type that tells pydantic how to make it and not what it looks like."""

    def __init__(self, x: Any) -> None:
        self.x = x

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Ask pydantic for a validator that is any function."""
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls(value),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda point: point.x),
        )


def _visit(name: str, extra: Any = int) -> tuple[DeclaredTask, Any]:
    """A task and its model, as another process would make them: functions are at other addresses there."""
    place = Annotated[Any, WrapValidator(lambda value, _handler: value)]
    model: Any = create_model("Place", point=Point, place=(place, None), points=(list[Point], []), extra=(extra, 1))

    def visit(item: Any, tx: Transaction) -> None:
        pass

    visit.__annotations__ = {"item": model, "tx": Transaction}
    return once(name=name)(visit), model


def test_a_model_without_a_json_schema_has_a_form_too() -> None:
    """It is sent; two processes compute the same form, and another one after the model has changed."""
    (task, model), (again, _), (changed, _) = _visit("here"), _visit("there"), _visit("later", str)

    [(*_, headers)] = _messages(lambda: task.delay(model(point=2)))

    assert headers[contract.MESSAGE_FORM] == task.form_id == again.form_id
    assert changed.form_id != task.form_id
