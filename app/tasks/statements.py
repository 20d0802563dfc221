"""`refresh_statement`: many payments, one refresh. A unique, debounced job to copy (docs/patterns/unique-jobs.md)."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app import contract
from app.kinds import Transaction, once
from app.patterns.unique_jobs import unique_job


class Payment(BaseModel):
    """A payment, which makes the customer's statement out of date."""

    model_config = ConfigDict(extra="forbid")

    payment_id: UUID
    customer: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    cents: int = Field(ge=-(10**12), le=10**12)


@unique_job(window_seconds=2.0, queue=contract.EVENT_LIST_QUEUE)
def refresh_statement(customer: str, tx: Transaction) -> None:
    """Make the statement anew, which is costly: once for all payments of two seconds, one at a time for a customer."""
    tx.execute(_REFRESH, {"customer": customer})


_TABLES = """
    CREATE TABLE IF NOT EXISTS tasks.payments (payment_id uuid NOT NULL, customer text NOT NULL, cents bigint NOT NULL);
    CREATE INDEX IF NOT EXISTS payments_by_customer ON tasks.payments (customer);
    CREATE TABLE IF NOT EXISTS tasks.statements (
        customer text PRIMARY KEY, payments bigint NOT NULL, cents bigint NOT NULL, refreshes bigint NOT NULL
    );
"""


@once(list_queue=contract.EVENT_LIST_QUEUE, key="payment_id", http=True, schema=_TABLES)
def book_payment(payment: Payment, tx: Transaction) -> None:
    """Book a payment, and ask for the statement: the request commits with the payment, so no refresh misses it."""
    tx.execute("INSERT INTO tasks.payments VALUES (:payment_id, :customer, :cents)", payment.model_dump())
    refresh_statement.request(tx, payment.customer)


_REFRESH = """
    INSERT INTO tasks.statements AS s
    SELECT :customer, count(*), coalesce(sum(cents), 0), 1 FROM tasks.payments WHERE customer = :customer
    ON CONFLICT (customer) DO UPDATE
    SET payments = excluded.payments, cents = excluded.cents, refreshes = s.refreshes + 1
"""
