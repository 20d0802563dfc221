"""A planted bug: the inbox calls every key new, so that a message that comes twice acts twice."""

from __future__ import annotations

from typing import Any

from app.__main__ import main
from app.storage import inbox


def enter(connection: Any, items: Any, *, attempt: int) -> inbox.Entered:
    """Enter the keys, and say that all of them are new."""
    inbox.remember(connection, items, attempt=attempt)
    return inbox.Entered(set(items), set())


inbox.enter = enter
main()
