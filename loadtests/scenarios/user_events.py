"""Events, singly and in lists, and the same ones again."""

from __future__ import annotations

import itertools
import uuid

from loadtests.bodies import EVENTS_PATH, events_body, name_of
from loadtests.closed_loop.user import ByArgument, MillraceUser, scenario
from loadtests.history import Kind
from loadtests.source import GeneratedEvents

__all__ = ["ByArgument"]

_LIST = 100


class _EventsUser(MillraceUser):
    """A user with events of its own."""

    abstract = True

    def on_start(self) -> None:
        """No two users have the same events."""
        self._events = iter(GeneratedEvents(run=f"locust-{uuid.uuid4().hex[:12]}"))

    def events(self, count: int) -> list[bytes]:
        """So many new ones."""
        return [event for _, event in itertools.islice(self._events, count)]

    def send(self, events: list[bytes], *, said: str = "", key: str | None = None, job: str | None = None) -> str:
        """Send one event, or a list; `said` tells what is special, in the request's name."""
        kind = Kind.SINGLE if len(events) == 1 else Kind.LIST
        name = name_of(kind) + (f" ({said})" if said else "")
        return self.submit(EVENTS_PATH, events_body(events, kind), name=name, key=key, job=job)


class SingleEvents(_EventsUser):
    """One event a request."""

    weight = 10

    @scenario("single")
    def send_one(self) -> None:
        """A new event."""
        self.send(self.events(1))


class EventLists(_EventsUser):
    """A hundred events a request."""

    weight = 2

    @scenario("list")
    def send_list(self) -> None:
        """New events."""
        self.send(self.events(_LIST))


class SameKeyAgain(_EventsUser):
    """A client that lost an answer: it repeats the request under its Idempotency-Key."""

    @scenario("same-key")
    def send_again(self) -> None:
        """The same job answers; other bytes under the key are refused."""
        key, events = str(uuid.uuid4()), self.events(1)
        if job := self.send(events, key=key):
            self.send(events, said="same key", key=key, job=job)
            name = f"{name_of(Kind.SINGLE)} (same key, other event)"
            self.ask("POST", EVENTS_PATH, *self.events(1), name=name, expected=(422,), key=key)


class Duplicates(_EventsUser):
    """A producer that sends its events twice, under new keys: each is accepted again and takes effect once."""

    @scenario("duplicates")
    def send_twice(self) -> None:
        """An event, and then a list that has it too."""
        events = self.events(_LIST)
        self.send(events[:1])
        self.send(events[:1], said="duplicate")
        self.send(events, said="duplicate")
