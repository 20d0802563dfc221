"""The shape that `--shape` names, for Locust; and the refusal of a run that cannot work, before its first user."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from typing import Any

import flask
import gevent
from locust import LoadTestShape, events
from locust.env import Environment
from locust.runners import STATE_INIT, MasterRunner
from locust.web import WebUI

from loadtests.closed_loop import gateway
from loadtests.closed_loop.arguments import Arguments
from loadtests.closed_loop.declared import template
from loadtests.closed_loop.gateway import SettingError
from loadtests.closed_loop.shapes import Shape, next_users, users_at

log = logging.getLogger("millrace")
_DECLARED_TASK = "DeclaredTask"
#: Workers of the last run come back after its `--stop-timeout`, and some.
_BACK_SECONDS = 2.0


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
                refuse(environment, environment.host, vars(options), _names(environment))
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


def refuse(environment: Environment, host: str | None, options: dict[str, Any], classes: Collection[str]) -> None:
    """Look whether a run of these User classes can work.

    Raises:
        SettingError: it cannot, and why.
    """
    arguments = Arguments.read(options)
    gateway.check(host)
    if _DECLARED_TASK in classes:
        template(str(host), arguments.task, arguments.body)
    runner = environment.runner
    deadline = time.monotonic() + environment.stop_timeout + _BACK_SECONDS
    while isinstance(runner, MasterRunner) and not runner.worker_count:
        if time.monotonic() > deadline:
            raise SettingError("no worker is ready. Start some with locust -f loadtests/scenarios --worker.")
        gevent.sleep(0.1)


def _names(environment: Environment) -> list[str]:
    return [user_class.__name__ for user_class in environment.user_classes]


@events.init.add_listener  # type: ignore[untyped-decorator]
def prepare_web_ui(environment: Environment, web_ui: WebUI | None, **_: Any) -> None:
    """Let the web UI refuse a start with a sentence."""
    if web_ui is None:
        return

    @web_ui.app.before_request  # type: ignore[untyped-decorator]
    def look() -> Any:
        if not flask.request.path.endswith("/swarm"):
            return None
        form, options = flask.request.form, environment.parsed_options
        # Locust keeps the last run's limit where the field is empty.
        options.run_time = options.run_time if form.get("run_time") else None
        host, wanted = form.get("host") or environment.host, {**vars(options), **form.to_dict()}
        try:
            refuse(environment, host, wanted, form.getlist("user_classes") or _names(environment))
            if form.get("shape_class") == "Default" and wanted["shape"] != Shape.STEADY:
                raise SettingError(f"choose the shape class {ByArgument.__name__}, which does what --shape says.")
        except SettingError as error:
            log.error("%s", error)  # noqa: TRY400 - a sentence, not a trace
            return flask.jsonify({"success": False, "message": str(error), "host": host})
        return None
