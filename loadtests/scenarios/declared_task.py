"""Any declared task: `locust -f loadtests/scenarios --task quote_order DeclaredTask`."""

from __future__ import annotations

import logging

from locust.exception import StopUser

from loadtests.closed_loop.declared import template
from loadtests.closed_loop.gateway import SettingError
from loadtests.closed_loop.user import ByArgument, MillraceUser, scenario

__all__ = ["ByArgument"]

log = logging.getLogger("millrace")


class DeclaredTask(MillraceUser):
    """Sends the task that `--task` names: its example, or what the file of `--body` says."""

    def on_start(self) -> None:
        """Find out what to send. Only a worker without the file finds nothing: the run began, so its task exists."""
        options = self.environment.parsed_options
        self._path = f"/v1/tasks/{options.task}"
        try:
            self._body = template(self.host, options.task, options.body)
        except SettingError as error:
            log.error("%s", error)  # noqa: TRY400 - a sentence, not a trace
            self.environment.events.request.fire(
                request_type="POST", name=self._path, response_time=0, response_length=0, exception=error, context={}
            )
            raise StopUser from error

    @scenario("task")
    def send(self) -> None:
        """An item."""
        self.submit(self._path, self._body())
