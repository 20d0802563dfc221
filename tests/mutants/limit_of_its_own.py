"""A planted bug: each process keeps the rate limit by itself, as Celery's own does."""

from __future__ import annotations

import os

from app.__main__ import main
from app.patterns import rate_limit

rate_limit.RateLimit._keys = property(  # type: ignore[method-assign,assignment]
    lambda self: [f"limit:{{{self.name}-{os.getpid()}}}:{what}" for what in ("taken", "promised", "leases", "marks")]
)
main()
