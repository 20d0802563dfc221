"""A planted bug: the gateway answers 202 and forgets each fifth request."""

from __future__ import annotations

import itertools

from app.__main__ import main
from app.gateway.acceptance import Acceptance, Accepted, Order

_honest = Acceptance.accept
_requests = itertools.count(1)


async def accept(self: Acceptance, order: Order) -> Accepted:
    """Write four of five."""
    if next(_requests) % 5:
        return await _honest(self, order)
    return Accepted(job_id=order.job.job_id, items=len(order.job.keys), replayed=False)


Acceptance.accept = accept  # type: ignore[method-assign]
main()
