"""A planted bug: the gateway answers 202 and commits afterwards. What it had not committed when it dies is lost."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from app.__main__ import main
from app.gateway.acceptance import Accepted
from app.gateway.database import Database

#: Long enough for the answer to leave.
_LATER_SECONDS = 0.2
_honest = Database.run
_writing: set[asyncio.Task[Any]] = set()


async def run(self: Database, work: Any, *, writes: bool = False, repeatable: bool = True) -> Any:
    """Read as before; write when the caller has his answer."""
    if not writes:
        return await _honest(self, work, repeatable=repeatable)

    async def later() -> None:
        await asyncio.sleep(_LATER_SECONDS)
        await _honest(self, work, writes=True, repeatable=repeatable)

    task = asyncio.ensure_future(later())
    _writing.add(task)
    task.add_done_callback(_writing.discard)
    job = inspect.getclosurevars(work).nonlocals["job"]
    return Accepted(job_id=job.job_id, items=len(job.keys), replayed=False)


Database.run = run  # type: ignore[method-assign, assignment]
main()
