"""Tasks in order: items with the same value of a member take effect one after the other, as they were accepted.

    @once(ordered_by="account", key="movement_id", http=True)
    def post_movement(movement: Movement, tx: Transaction) -> None: ...

The place of an item in its line commits with its acceptance (`app/storage/ordered_items.py`), and the end of its place
commits with its effect. So queues, workers, retries and redeliveries cannot change the order.
"""

from __future__ import annotations

from typing import Any

from app import contract
from app.brokers.transactional import capturing, in_transaction
from app.kinds.declared import Declaration, OnceTask
from app.storage import ordered_items
from app.storage.engine import engine

#: The values of `after_death=`, and whether the items behind a dead one go on.
AFTER_DEATH = {"stop": False, "go_on": True}


class OrderedTask(OnceTask):
    """A task `once` whose items stand in lines."""

    abstract = True

    def apply_async(self, args: Any = None, kwargs: Any = None, *positional: Any, **options: Any) -> Any:
        """Celery's, always through the outbox: outside of a transaction it opens one of its own."""
        if capturing() or contract.MESSAGE_ORDER in (options.get("headers") or {}):  # a retry keeps its place
            return super().apply_async(args, kwargs, *positional, **options)
        with engine().begin() as connection, in_transaction(connection):
            return super().apply_async(args, kwargs, *positional, **options)

    def headers_of(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """The headers with the key and the line of the one item."""
        found = self.item_of(args, kwargs, lambda form: form.ordered_by)
        value = None if found is None else found[0].line_of(found[1])
        return super().headers_of(args, kwargs) | order_headers(self.name, self.declaration, value)


def order_headers(task_name: str, declaration: Declaration, value: str | None) -> dict[str, Any]:
    """The headers that put an item into the line of its value; none if there is no value."""
    if value is None:
        return {}
    headers: dict[str, Any] = {contract.MESSAGE_ORDER: str(ordered_items.order_id(task_name, value))}
    return headers | ({contract.MESSAGE_ORDER_GOES_ON: True} if declaration.goes_on else {})
