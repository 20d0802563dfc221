"""A planted bug: a call whose outcome is not known is made again without a look-up."""

from __future__ import annotations

from typing import Any

from app.__main__ import main
from app.patterns import external_call

_honest = external_call.FarSide.once


def once(self: Any, key: str, *, look_up: Any, **options: Any) -> Any:
    """Call as if the far side knew no call."""
    del look_up
    return _honest(self, key, look_up=lambda _: None, **options)


external_call.FarSide.once = once  # type: ignore[method-assign]
main()
