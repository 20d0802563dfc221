"""A planted bug: whatever a sender sends is within its share."""

from __future__ import annotations

from app.__main__ import main
from app.gateway.shares import Shares


async def _within(*_: object) -> bool:
    return True


Shares.take = _within  # type: ignore[method-assign,assignment]
main()
