"""`charge_customer`: charges a customer at a payment provider, once, even if workers are killed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
from pydantic import BaseModel, ConfigDict, Field

from app import contract
from app.kinds import Transaction, at_least_once
from app.patterns.external_call import FarSide
from app.patterns.far_side import ask
from app.settings import load

PAYMENTS = FarSide(name="payments", retries_a_minute=60)

#: No unique key on purpose: a charge that was stored twice must be visible.
SCHEMA = "CREATE TABLE IF NOT EXISTS tasks.charges (charge_id text NOT NULL, receipt text NOT NULL, cents int NOT NULL)"
STORE = "INSERT INTO tasks.charges VALUES (:charge_id, :receipt, :cents)"


class Charge(BaseModel):
    """Money that a customer owes. The sender chooses `charge_id`, which is charged once however often it is sent."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    charge_id: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")
    customer: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")
    cents: int = Field(ge=1, le=100_000_000)


class Receipt(BaseModel):
    """The provider's answer; any other body counts as none."""

    charge_id: str


@at_least_once(queue=contract.external_queue(), http=True, schema=SCHEMA)
def charge_customer(charge: Charge) -> None:
    """Charge a customer, and store the receipt."""
    charges = f"{load().examples_url}/charges"

    def call(request_id: UUID) -> str:
        headers = {contract.HEADER_IDEMPOTENCY_KEY: str(request_id)}
        answer = ask("POST", charges, headers=headers, content=charge.model_dump_json())
        return Receipt.model_validate_json(answer.content).charge_id

    def look_up(request_id: UUID) -> str | None:
        answer = ask("GET", f"{charges}/{request_id}", accept=(httpx.codes.NOT_FOUND,))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return Receipt.model_validate_json(answer.content).charge_id

    def store(receipt: Any, tx: Transaction) -> None:
        tx.execute(STORE, {"charge_id": charge.charge_id, "receipt": receipt, "cents": charge.cents})

    PAYMENTS.once(charge.charge_id, call=call, look_up=look_up, then=store)
