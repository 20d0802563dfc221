"""`post_movement`: the movements of an account, in order. A task to copy (docs/patterns/order.md)."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app import contract
from app.errors import PoisonError
from app.kinds import Transaction, once


class Movement(BaseModel):
    """Money that comes to an account or leaves it."""

    model_config = ConfigDict(extra="forbid")

    movement_id: UUID
    account: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    cents: int = Field(ge=-(10**12), le=10**12)


_TABLES = """
    CREATE TABLE IF NOT EXISTS tasks.ledger_accounts (
        account text PRIMARY KEY, movements bigint NOT NULL, cents bigint NOT NULL
    );
    CREATE TABLE IF NOT EXISTS tasks.ledger_movements (
        account text NOT NULL, number bigint NOT NULL, movement_id uuid NOT NULL,
        cents bigint NOT NULL, balance bigint NOT NULL
    );
    CREATE INDEX IF NOT EXISTS ledger_movements_by_account ON tasks.ledger_movements (account);
"""


@once(
    ordered_by="account", after_death="stop",
    key="movement_id", list_queue=contract.EVENT_LIST_QUEUE, http=True, schema=_TABLES,
)  # fmt: skip
def post_movement(movement: Movement, tx: Transaction) -> None:
    """Post a movement. An account may not be overdrawn, so the order decides which movement is refused."""
    moved = tx.execute(_MOVE, movement.model_dump()).one()
    number, balance = moved.movements, moved.cents
    if balance < 0:
        raise PoisonError(f"account {movement.account} would be overdrawn by {-balance} cents")
    tx.execute(_POST, {**movement.model_dump(), "number": number, "balance": balance})


_MOVE = """
    INSERT INTO tasks.ledger_accounts AS a VALUES (:account, 1, :cents)
    ON CONFLICT (account) DO UPDATE SET movements = a.movements + 1, cents = a.cents + excluded.cents
    RETURNING movements, cents
"""
_POST = "INSERT INTO tasks.ledger_movements VALUES (:account, :number, :movement_id, :cents, :balance)"
