"""`quote_order`: prices an order from a price list that is expensive to make and that every quote needs."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from app.errors import PoisonError
from app.kinds import at_least_once
from app.patterns.warm_cache import WarmCache
from app.storage.engine import engine

PRICES = WarmCache(name="prices", keep_seconds=300, holder_seconds=30)

SCHEMA = """
    CREATE TABLE IF NOT EXISTS tasks.purchases (article text NOT NULL, currency text NOT NULL, cents int NOT NULL);
    CREATE TABLE IF NOT EXISTS tasks.quotes (order_id text PRIMARY KEY, cents bigint NOT NULL)
"""
#: Expensive: it reads all purchases of a currency.
PRICE_LIST = text("""
    SELECT article, cast(percentile_disc(0.5) WITHIN GROUP (ORDER BY cents) * 1.2 AS int) AS cents
    FROM tasks.purchases WHERE currency = :currency GROUP BY article
""")
STORE = text("""
    INSERT INTO tasks.quotes VALUES (:order_id, :cents)
    ON CONFLICT (order_id) DO UPDATE SET cents = excluded.cents
""")


class Order(BaseModel):
    """An order: how many of each article a customer wants, and the currency to pay in."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    order_id: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    articles: dict[str, Annotated[int, Field(ge=1, le=1_000_000)]] = Field(min_length=1, max_length=100)


def price_list(currency: str) -> dict[str, int]:
    """The price of each article, in cents."""
    with engine().connect() as connection:
        return {row.article: row.cents for row in connection.execute(PRICE_LIST, {"currency": currency})}


@at_least_once(http=True, schema=SCHEMA)
def quote_order(order: Order) -> None:
    """Store what an order costs."""
    prices = PRICES.get(order.currency, lambda: price_list(order.currency))
    if unknown := sorted(order.articles.keys() - prices.keys()):
        raise PoisonError(f"nobody has bought {', '.join(unknown)[:200]} for {order.currency}")
    cents = sum(prices[article] * count for article, count in order.articles.items())
    with engine().begin() as connection:
        connection.execute(STORE, {"order_id": order.order_id, "cents": cents})
