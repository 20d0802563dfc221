"""Records of API keys by id, each for a few seconds; also that there is none of an id, for as long."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.gateway.api_keys import KeyRecord
from app.gateway.problems import ProblemError

#: How long a key's record is believed. Also how long a revoked key still works, at most.
CACHE_SECONDS = 5.0
#: Records kept, and as many unknown ids; the longest unused one leaves first. Unknown ids are kept apart, so that
#: guesses push no key out.
CACHE_ENTRIES = 4096
#: While one request renews a record, the others go on with the old one for this long.
_RENEWAL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Known:
    record: KeyRecord
    read_at: float
    expires: float


class KeyCache:
    """What PostgreSQL said."""

    def __init__(
        self,
        load: Callable[[str], Awaitable[KeyRecord | None]],
        *,
        admit: Callable[[], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
        entries: int = CACHE_ENTRIES,
    ) -> None:
        """`load` asks for what is not here; `admit` raises where an unknown id may not be asked for now."""
        self._load = load
        self._admit = admit
        self._clock = clock
        self._entries = entries
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._unknown_until: OrderedDict[str, float] = OrderedDict()
        self._asked: dict[str, asyncio.Future[KeyRecord | None]] = {}

    async def get(self, api_key_id: str, *, outage_seconds: float = 0.0) -> KeyRecord | None:
        """The record, at most `CACHE_SECONDS` old; up to `outage_seconds` where it cannot be read now.

        Raises:
            ProblemError: it cannot be read now.
        """
        now = self._clock()
        if (known := self._known.get(api_key_id)) is not None:
            self._known.move_to_end(api_key_id)
            return known.record if now < known.expires else await self._renew(api_key_id, known, outage_seconds)
        if now < self._unknown_until.get(api_key_id, now):
            self._unknown_until.move_to_end(api_key_id)
            return None
        # Many requests with one new key, as after our own start, ask once.
        if (asked := self._asked.get(api_key_id)) is None:
            asked = self._asked[api_key_id] = asyncio.ensure_future(self._ask_first(api_key_id))
            asked.add_done_callback(lambda _: self._asked.pop(api_key_id, None))
        return await asyncio.shield(asked)

    async def _renew(self, api_key_id: str, known: _Known, outage_seconds: float) -> KeyRecord | None:
        now = self._clock()
        if now < known.expires + _RENEWAL_SECONDS:  # this request renews it; the others need not do so as well
            self._known[api_key_id] = _Known(known.record, known.read_at, now + _RENEWAL_SECONDS)
        try:
            return await self._ask(api_key_id)
        except ProblemError:
            if now < known.read_at + outage_seconds:
                return known.record
            raise

    async def _ask_first(self, api_key_id: str) -> KeyRecord | None:
        await self._admit()
        return await self._ask(api_key_id)

    async def _ask(self, api_key_id: str) -> KeyRecord | None:
        record = await self._load(api_key_id)
        now = self._clock()
        if record is None:
            self._known.pop(api_key_id, None)
            self._unknown_until[api_key_id] = now + CACHE_SECONDS
            _bound(self._unknown_until, self._entries)
        else:
            self._known[api_key_id] = _Known(record, now, now + CACHE_SECONDS)
            _bound(self._known, self._entries)
        return record


def _bound(entries: OrderedDict[str, float] | OrderedDict[str, _Known], most: int) -> None:
    while len(entries) > most:
        entries.popitem(last=False)
