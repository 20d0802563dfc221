"""Sends a message again: as its next attempt after a failure, or as the same attempt after it was parked."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import structlog
from celery.canvas import Signature
from celery.exceptions import Ignore, Reject, Retry, TaskPredicate

from app import contract
from app.brokers.transactional import TransactionalTask, captured
from app.errors import ComeBackLaterError, DependencyAwayError, FarSideBusyError
from app.failpoints import Failpoint, failpoint
from app.kinds.retries import retry_delay_seconds, wait_out
from app.settings import load
from app.storage import outbox
from app.storage.engine import engine

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: Clocks and marks of one attempt; the next one has its own.
_OF_ONE_ATTEMPT = frozenset({contract.MESSAGE_PARKED_SINCE, contract.MESSAGE_RELEASE_SINCE, contract.MESSAGE_RAN})
#: Added to the delay of a task that asks to come back, because clocks run at different speeds.
_NOT_EARLY_SECONDS = 0.05


class SentAgainTask(TransactionalTask):
    """The part of the base of every task that decides when its message comes again, and what the copy says."""

    abstract = True

    @property
    def ran(self) -> bool:
        """Whether this message's task has run, here or before it was parked."""
        return bool(getattr(self.request, contract.MESSAGE_RAN, None))

    def patiently(self, body: Callable[[], T]) -> T:
        """Run `body`, waiting in place while a server is away; if that takes long, park the message and stop here.

        Raises:
            Ignore: parked; the message is acknowledged and its copy comes back after the delay, at the same attempt.
            DependencyAwayError: this attempt has been parked for hours; it counts as failed.
        """
        settings = load()
        try:
            return wait_out(body, patience_seconds=settings.dependency_wait_seconds)
        except DependencyAwayError as error:
            since = float(getattr(self.request, contract.MESSAGE_PARKED_SINCE, None) or time.time())
            if time.time() - since > settings.dependency_patience_hours * 3600:
                raise
            delay_seconds = max(1, math.ceil(settings.dependency_wait_seconds))
            raise self.park(delay_seconds, reason=str(error)) from error

    def come_back(self, later: ComeBackLaterError) -> Ignore:
        """Park the message because its task asked for it. It comes back no earlier than the task asked."""
        return self.park(math.ceil(later.delay_seconds + _NOT_EARLY_SECONDS), reason=str(later), since=None)

    def park(self, delay_seconds: int, *, reason: str, since: str | None = contract.MESSAGE_PARKED_SINCE) -> Ignore:
        """Send a copy of this message that comes back later, at the same attempt.

        The caller raises the returned exception, which makes Celery acknowledge the message itself. `since` is the
        header that says when the waiting began; None: this waiting has no limit.

        Raises:
            Reject: the broker does not take the copy; the message itself goes back to its queue.
        """
        log.warning("task_parked", delay_seconds=delay_seconds, reason=reason)
        headers = self._headers()
        if since is None:  # it has run, so what it waited for is there
            headers = {name: value for name, value in headers.items() if name not in _OF_ONE_ATTEMPT}
        else:
            headers[since] = getattr(self.request, since, None) or time.time()
        options: dict[str, Any] = {"countdown": delay_seconds, "retries": self.request.retries}
        if self.ran:
            headers[contract.MESSAGE_RAN] = True
            options["expires"] = None
        again = self.signature_from_request(self.request, headers=headers, **options)
        try:
            self.send_again(again)
        except Exception as error:
            raise Reject(error, requeue=True) from error
        return Ignore(reason)

    def hold(self) -> Ignore:
        """Send a copy of this message, at the same attempt, through the outbox, where a relay holds it.

        The caller raises the returned exception, which makes Celery acknowledge the message itself.

        Raises:
            Reject: PostgreSQL refuses the copy; the message itself goes back to its queue.
        """
        again = self.signature_from_request(self.request, headers=self._headers(), retries=self.request.retries)

        def send() -> None:
            with captured() as messages:
                self.send_held(again)
            with engine().begin() as connection:
                # The copy has the place of this message in its line, so it takes no new one. It does not expire in the
                # broker, which would make a dead letter of it: a worker records that it has expired.
                for message in messages:
                    message.properties.pop("expiration", None)
                outbox.enqueue(connection, [replace(message, order_id=None) for message in messages])

        try:
            self.patiently(send)
        except TaskPredicate:
            raise  # PostgreSQL is away: the message is parked instead
        except Exception as error:
            raise Reject(error, requeue=True) from error
        self.request.update(dropped_as="held")  # the metrics count it as this outcome
        return Ignore("paused")

    def send_held(self, again: Signature[Any]) -> None:
        """Send the copy of a message that is held."""
        self.send_again(again)

    def send_again(self, again: Signature[Any]) -> None:
        """Send a parked copy."""
        again.apply_async()

    def signature_from_request(
        self, request: Any = None, args: Any = None, kwargs: Any = None, queue: str | None = None, **options: Any
    ) -> Signature[Any]:
        """Celery's, for retries and parked copies: to the queue that the message came from, not to the task's own."""
        if "headers" not in options:  # a retry, also one of the task's own
            headers = (request or self.request).as_execution_options()["headers"]
            options["headers"] = {name: value for name, value in headers.items() if name not in _OF_ONE_ATTEMPT}
        return super().signature_from_request(request, args, kwargs, queue=queue or load().worker_queue, **options)

    def retry_later(self, error: Exception) -> Retry:
        """Send the next attempt, later each time; after the last, `error` is raised and the message dies.

        The next attempt has patience of its own.

        Raises:
            Retry: always, unless it was the last attempt: then `error`.
        """
        settings = load()
        delay_seconds = retry_delay_seconds(self.request.retries, base_seconds=settings.retry_base_seconds)
        if isinstance(error, FarSideBusyError):  # plus jitter, so that tasks do not all return at once
            delay_seconds += math.ceil(error.after_seconds)
        try:
            return self.retry(exc=error, countdown=delay_seconds)
        except Retry:
            failpoint(Failpoint.WORKER_AFTER_RETRY_PUBLISH)
            raise
        except Reject as rejection:
            # Celery dead-letters a task whose retry could not be published; but that is the broker's failure.
            raise Reject(rejection.args[0], requeue=True) from rejection

    def _headers(self) -> dict[str, Any]:
        """The message's own headers, less what the broker wrote into them, as Celery copies them."""
        return dict(self.request.as_execution_options()["headers"])
