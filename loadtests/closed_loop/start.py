"""The start of a run: what cannot work is refused with a sentence, before the first user begins."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from typing import Any

import flask
import gevent
from locust import User, events
from locust.env import Environment
from locust.runners import STATE_RUNNING, STATE_SPAWNING, MasterRunner, WorkerRunner
from locust.web import WebUI

from loadtests.closed_loop import gateway
from loadtests.closed_loop.arguments import Arguments
from loadtests.closed_loop.declared import template
from loadtests.closed_loop.gateway import SettingError
from loadtests.closed_loop.shapes import Shape

log = logging.getLogger("millrace")
#: Classes that messages and checks name.
_DECLARED_TASK, _SHAPE_CLASS = "DeclaredTask", "ByArgument"
#: Locust's own default of `--stop-timeout`, 0, cuts requests off, whose answers would then be unknown.
_STOP_SECONDS = 5.0
#: Workers of the last run come back after its `--stop-timeout`, and some.
_BACK_SECONDS = 2.0


@events.init.add_listener  # type: ignore[untyped-decorator]
def prepare(environment: Environment, **_: Any) -> None:
    """Refuse to begin without a key."""
    try:
        gateway.api_key()
        gateway.tls_context()
    except SettingError as error:
        if isinstance(environment.runner, WorkerRunner):
            environment.runner.send_message("quit")
        raise SystemExit(str(error)) from None
    environment.stop_timeout = environment.stop_timeout or _STOP_SECONDS
    # It would tell each request of the checks.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    _keep_tagged(environment)


def _keep_tagged(environment: Environment) -> None:
    """Leave out the classes that `--tags` leaves without a task: Locust would start them, and they would fail."""
    options = environment.parsed_options
    wanted, unwanted = set(options.tags or ()), set(options.exclude_tags or ())

    def stays(user_class: type[User]) -> bool:
        tags: list[set[str]] = [getattr(task, "locust_tag_set", set()) for task in user_class.tasks]
        return any((not wanted or each & wanted) and not each & unwanted for each in tags)

    environment.user_classes[:] = [each for each in environment.user_classes if stays(each)]
    if not environment.user_classes:
        raise SystemExit(f"The load cannot begin: no scenario has these tags: {', '.join(sorted(wanted)) or 'none'}.")


def refuse(environment: Environment, host: str | None, options: dict[str, Any], classes: Collection[str]) -> None:
    """Look whether a run of these User classes can work; one that is under way is not asked again.

    Raises:
        SettingError: it cannot, and why.
    """
    arguments, runner = Arguments.read(options), environment.runner
    if runner.state in {STATE_RUNNING, STATE_SPAWNING}:
        return
    gateway.check(host)
    if _DECLARED_TASK in classes:
        template(str(host), arguments.task, arguments.body)
    deadline = time.monotonic() + environment.stop_timeout + _BACK_SECONDS
    while isinstance(runner, MasterRunner) and not runner.worker_count:
        if time.monotonic() > deadline:
            raise SettingError("no worker is ready. Start some with locust -f loadtests/scenarios --worker.")
        gevent.sleep(0.1)


def names(environment: Environment) -> list[str]:
    """The User classes that run."""
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
            refuse(environment, host, wanted, form.getlist("user_classes") or names(environment))
            if form.get("shape_class") == "Default" and wanted["shape"] != Shape.STEADY:
                raise SettingError(f"choose the shape class {_SHAPE_CLASS}, which does what --shape says.")
        except SettingError as error:
            log.error("%s", error)  # noqa: TRY400 - a sentence, not a trace
            return flask.jsonify({"success": False, "message": str(error), "host": host})
        return None
