"""What a request may say of a task of any model: the model decides, and what it takes arrives as it was sent."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.gateway import items
from app.gateway.items import Submission
from app.gateway.problems import ProblemError
from app.kinds.items import ItemForm, JsonText

ID = "0b8f1e0e-5f39-4a43-9b1c-3f1f9f3d5b11"


def parse(body: bytes, form: ItemForm, *, payload_max_bytes: int = 1000) -> Submission:
    """What the body says."""
    return asyncio.run(items.parse(body, form, payload_max_bytes=payload_max_bytes))


def refused(body: bytes, form: ItemForm, *, payload_max_bytes: int = 1000) -> list[tuple[str, str]]:
    """The errors of a body that must not be accepted."""
    with pytest.raises(ProblemError) as raised:
        parse(body, form, payload_max_bytes=payload_max_bytes)
    assert raised.value.kind.status == 422
    return [(error.pointer, error.detail) for error in raised.value.errors]


class Price(BaseModel):
    """An item without members that go on as text."""

    model_config = ConfigDict(extra="forbid")

    order_id: UUID
    amount: Annotated[int, Field(ge=1)]
    exact: Decimal = Decimal(0)
    note: str = ""


PRICES = ItemForm(Price, key="order_id")
UNNAMED = ItemForm(Price)


def price(**changes: Any) -> bytes:
    """A valid price, changed."""
    return json.dumps({"order_id": ID, "amount": 5} | changes).encode()


def test_an_item_of_any_model_is_carried_as_it_was_sent() -> None:
    """BR-35: as the text that came, so that the task's own model reads all digits."""
    text = f'{{"order_id":"{ID}", "amount" : 12345678901234567890123, "exact": 0.12345678901234560}}'
    [sent] = parse(text.encode(), form=PRICES).items

    assert sent.wire == text
    got = PRICES.from_wire(sent.wire)
    assert got == Price(order_id=UUID(ID), amount=12345678901234567890123, exact=Decimal("0.1234567890123456"))
    assert sent.key == ID


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        (price(amount=0), "#/amount", "greater than or equal to 1"),
        (price(amount="x"), "#/amount", "valid integer"),
        (price(order_id="x"), "#/order_id", "valid UUID"),
        (price(note="a\0"), "#/note", "U+0000"),
        (price(note="n" * 1000), "#", "is 1077 bytes long; at most 1000 are allowed"),
        (price(exact=0.25)[:-1] + b"0000000000000000001}", "#/exact", "more digits than a floating-point number keeps"),
        (price(more=1), "#/more", "Extra inputs"),
        (price()[:-1] + b',"amount":6}', "#", "two members of the same name"),
        (b"7", "#", "should be an object"),
    ],
)  # fmt: skip
def test_the_model_of_the_task_decides(body: bytes, pointer: str, detail: str) -> None:
    """What a model does not take, and what PostgreSQL cannot hold, is refused with its path."""
    [(found, said)] = refused(body, form=PRICES)

    assert (found, detail in said) == (pointer, True), said


def test_a_list_of_any_model_names_each_wrong_item() -> None:
    """And an id twice is the same item twice, however it is written."""
    body = b"[%s,%s,%s]" % (price(), price(amount=0), price(order_id=ID.upper()))

    assert [found for found, _ in refused(body, form=PRICES)] == ["#/1/amount", "#/2/order_id"]


def test_items_without_a_key_are_all_different() -> None:
    """Two equal items of a task that names no key are two items."""
    sent = parse(b"[%s,%s]" % (price(), price()), form=UNNAMED).items

    assert len({one.key for one in sent}) == 2


class Named(BaseModel):
    """An item that is named by any text."""

    name: str


@pytest.mark.parametrize("name", ["", "n" * 201, "a\x1fb"])
def test_not_every_text_is_a_key(name: str) -> None:
    """A key stands in an index, in headers, and beside others."""
    [(found, detail)] = refused(json.dumps({"name": name}).encode(), form=ItemForm(Named, key="name"))

    assert (found, "is no key" in detail) == ("#/name", True)


class Reading(BaseModel):
    """An item with a member that goes on as text, and others that the model reads."""

    model_config = ConfigDict(strict=True)

    meter: UUID
    value: Decimal = Decimal(0)
    raw: JsonText = "null"


READINGS = ItemForm(Reading)


def test_what_the_door_takes_the_worker_takes() -> None:
    """A strict model reads JSON in both places: a UUID is a text there."""
    [sent] = parse(f'{{"meter":"{ID}","value":0.5,"raw":[1.10]}}'.encode(), form=READINGS).items

    assert READINGS.from_wire(sent.wire) == Reading(meter=UUID(ID), value=Decimal("0.5"), raw="[1.10]")


def test_a_number_that_the_model_would_round_is_refused() -> None:
    """Beside a member that goes on as text, too."""
    [(found, detail)] = refused(f'{{"meter":"{ID}","value":0.12345678901234567890123}}'.encode(), form=READINGS)

    assert (found, "more digits" in detail) == ("#/value", True)


class Many(BaseModel):
    """An item in which thousands of values can be wrong."""

    values: list[int]


def test_thousands_of_errors_in_one_item_are_one() -> None:
    """BR-03: each of them with its path would take what one request may not have."""
    body = json.dumps({"values": ["x"] * 20_000}).encode()

    [(found, detail)] = refused(body, form=ItemForm(Many), payload_max_bytes=128 * 1024)

    assert (found, detail) == ("#", "has 20000 errors; each would be told if they were fewer")


class Discounted(BaseModel):
    """A model whose validator changes its input, so it must run once on what was sent."""

    cents: int
    exact: float = 0.5
    note: JsonText = "null"

    @field_validator("cents")
    @classmethod
    def less_one(cls, cents: int) -> int:
        """One cent off."""
        return cents - 1


def test_a_validator_sees_what_was_sent() -> None:
    """This holds for a model with a JSON text, too, whose other members travelled changed before."""
    form = ItemForm(Discounted)
    [sent] = parse(b'{"cents": 100, "exact": 0.25, "note": {"a": 1.10}}', form).items

    item = form.from_wire(json.loads(json.dumps(sent.wire)))
    assert item == Discounted(cents=100, exact=0.25, note='{"a": 1.10}')
