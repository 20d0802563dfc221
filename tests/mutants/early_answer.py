"""A planted bug: the gateway answers 202 and commits afterwards. What it had not committed when it dies is lost."""

from __future__ import annotations

import asyncio
from typing import Any

from app.__main__ import main
from app.gateway.acceptance import Acceptance, Accepted, Order

#: Long enough for the answer to leave.
_LATER_SECONDS = 0.2
_honest = Acceptance.accept
_writing: set[asyncio.Task[Any]] = set()


async def accept(self: Acceptance, order: Order) -> Accepted:
    """Write after the caller has got the answer."""

    async def later() -> None:
        await asyncio.sleep(_LATER_SECONDS)
        await _honest(self, order)

    task = asyncio.ensure_future(later())
    _writing.add(task)
    task.add_done_callback(_writing.discard)
    return Accepted(job_id=order.job.job_id, items=len(order.job.keys), replayed=False)


Acceptance.accept = accept  # type: ignore[method-assign]
main()
