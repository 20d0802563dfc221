"""A planted bug: the effect commits by itself, before the inbox does. Who dies in between does it twice."""

from __future__ import annotations

from typing import Any

import lingering  # type: ignore[import-not-found]  # noqa: F401 - beside this in /mutants; before what it changes

from app.__main__ import main
from app.kinds import batches
from app.kinds.transaction import Transaction
from app.storage.engine import engine

_honest = batches.BatchTask.transaction


def transaction(self: Any, _: Any, job_ids: Any) -> dict[str, Transaction]:
    """Give the function a connection that commits by itself."""
    other = engine().connect().execution_options(isolation_level="AUTOCOMMIT")
    return _honest(self, other, job_ids)


batches.BatchTask.transaction = transaction  # type: ignore[method-assign, assignment]  # planted
main()
