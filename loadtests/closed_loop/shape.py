"""The shape that `--shape` names, for Locust."""

from __future__ import annotations

import logging

from locust import LoadTestShape
from locust.runners import STATE_INIT

from loadtests.closed_loop.arguments import Arguments
from loadtests.closed_loop.gateway import SettingError
from loadtests.closed_loop.shapes import Shape, next_users, users_at
from loadtests.closed_loop.start import names, refuse

log = logging.getLogger("millrace")


class ByArgument(LoadTestShape):  # type: ignore[misc]  # Locust has no types here
    """Users over time, as `--shape` says. It reads users, spawn rate and run time each second: they may be edited."""

    use_common_options = True
    _users = 0

    def reset_time(self) -> None:
        """Begin anew."""
        super().reset_time()
        self._users = 0

    def tick(self) -> tuple[int, float] | None:
        """Users and spawn rate of the next second; None ends the run."""
        environment = self.runner.environment
        options = environment.parsed_options
        if self.runner.state == STATE_INIT:
            try:
                refuse(environment, environment.host, vars(options), names(environment))
            except SettingError as error:
                log.error("%s", error)  # noqa: TRY400 - a sentence, not a trace
                environment.process_exit_code = 1
                return None
        seconds = self.get_run_time()
        if options.run_time and seconds >= float(options.run_time):
            return None
        arguments = Arguments.read(vars(options))
        users, rate = int(options.num_users or 1), float(options.spawn_rate or 1)
        wanted = users_at(arguments.shape, seconds, users=users, step_seconds=arguments.step_seconds)
        self._users = next_users(wanted, self._users, spawn_rate=rate, shape=arguments.shape)
        return self._users, max(1.0, rate, users if arguments.shape is Shape.SPIKE else 0)
