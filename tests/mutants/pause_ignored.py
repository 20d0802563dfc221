"""A planted bug: a worker executes what the broker delivers, also if it is paused."""

from __future__ import annotations

from app.__main__ import main
from app.kinds import pausing

pausing.is_paused = lambda *_: False
main()
