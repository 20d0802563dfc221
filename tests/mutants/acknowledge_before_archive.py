"""A planted bug: the archiver acknowledges dead letters before it has committed them."""

from __future__ import annotations

import time

from app.__main__ import main
from app.deadletters.archiver import Archiver

_honest = Archiver._settle
#: Until the acknowledgement has left the machine's buffers.
_SECONDS = 0.5


def settle(self: Archiver) -> None:
    """Acknowledge, then store."""
    self._consumer.acknowledge(self._pending)
    time.sleep(_SECONDS)
    self._consumer.acknowledge = lambda *_: None  # type: ignore[method-assign]
    _honest(self)


Archiver._settle = settle  # type: ignore[method-assign]
main()
