"""A planted bug: the relay marks messages as sent when it takes them, before the broker has confirmed any."""

from __future__ import annotations

from typing import Any

import lingering  # type: ignore[import-not-found]  # noqa: F401 - beside this in /mutants; before what it changes

from app.__main__ import main
from app.storage import outbox

_claim = outbox.claim


def claim(connection: Any, **options: Any) -> Any:
    """Take, and mark at once."""
    messages = _claim(connection, **options)
    outbox.mark_confirmed(connection, [message.message_id for message in messages])
    return messages


outbox.claim = claim
main()
