"""The task of docs/producers.md, and one that is tried twice."""

from __future__ import annotations

from uuid import UUID

from celery import current_task
from pydantic import BaseModel

from app.kinds import Transaction, once

_TABLE = "CREATE TABLE IF NOT EXISTS tasks.invoices (order_id uuid, amount bigint)"


class Invoice(BaseModel):
    """An order to bill."""

    order_id: UUID
    amount: int


@once(queue="interactive", http=True, key="order_id", schema=_TABLE)
def send_invoice(invoice: Invoice, tx: Transaction) -> None:
    """Bill a customer."""
    tx.execute("INSERT INTO tasks.invoices VALUES (:order_id, :amount)", invoice.model_dump())


@once(queue="interactive", key="order_id", schema=_TABLE)
def send_invoice_at_second_attempt(invoice: Invoice, tx: Transaction) -> None:
    """The second message is the worker's own, made from what the first one said."""
    if current_task.request.retries == 0:
        raise RuntimeError("the first attempt")
    send_invoice.run(invoice=invoice, tx=tx)
