"""A planted bug: the relay takes the confirm of a returned message for its word that a queue has it."""

from __future__ import annotations

from app.__main__ import main
from app.brokers.rabbitmq.publisher import Publisher

Publisher._on_return = lambda *_: None  # type: ignore[method-assign]
main()
