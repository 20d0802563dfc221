"""`wait_for_release`: takes the place of a task that this release does not know and the message's sender did."""

from __future__ import annotations

from typing import Any

from celery.canvas import Signature

from app import contract
from app.brokers.celery_app import celery_app
from app.kinds.base import MillraceTask


def redirect(headers: dict[str, Any]) -> None:
    """Make a message of an unknown task one of `wait_for_release`."""
    headers[contract.MESSAGE_TASK] = headers["task"]
    headers["task"] = contract.TASK_WAIT_FOR_RELEASE


class StandIn(MillraceTask):
    """A task that sends its message on, as the task that it was."""

    abstract = True

    @property
    def known_as(self) -> str:
        """The other task's name."""
        return str(getattr(self.request, contract.MESSAGE_TASK))

    def send_again(self, again: Signature[Any]) -> None:
        """Send the copy for the other task, whose results the sender may have asked for or not."""
        options = again.options | {"ignore_result": getattr(self.request, "ignore_result", None)}
        self.app.send_task(self.known_as, again.args, again.kwargs, **options)


@celery_app.task(name=contract.TASK_WAIT_FOR_RELEASE, base=StandIn, bind=True, typing=False)
def wait_for_release(self: Any, /, *args: Any, **kwargs: Any) -> None:
    """Send the message again after a while.

    Raises:
        Ignore: always.
    """
    raise self.wait_for_release(args, kwargs, reason=f"this release has no task {self.known_as}")
