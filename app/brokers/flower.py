"""Flower, for looking at workers: read-only, over TLS, behind a password."""

from __future__ import annotations

from typing import Any

import flower.options  # noqa: F401 - defines the options set below
from flower.api import BaseApiHandler
from flower.views import BaseHandler
from flower.views.monitor import Healthcheck
from tornado.options import options

from app import contract
from app.brokers.celery_app import celery_app
from app.contract import Role
from app.settings import load, secrets_dir

#: Where the container's own health check comes from, which has no password.
_LOOPBACK = frozenset({"127.0.0.1", "::1"})


def run() -> None:
    """Serve until the process is stopped. Options are set here and not as arguments, where everyone could read them."""
    settings = load()
    ask_everybody()
    # One a line: two are accepted while the password is rotated.
    passwords = (secrets_dir() / "flower_password").read_text().split()
    options.basic_auth = [f"{Role.OPERATOR}:{password}" for password in passwords]
    options.port = contract.PORT_FLOWER
    options.certfile = settings.tls_certificate_file
    options.keyfile = settings.tls_key_file
    options.read_only = True
    # Flower would tell every worker, again and again, to send an event for each task: -61 % throughput. Workers'
    # heartbeats arrive without; what a task did is in PostgreSQL.
    options.enable_events = False
    options.purge_offline_workers = 600
    celery_app.start(argv=["flower"])


def ask_everybody() -> None:
    """Ask for the password before any page: `/metrics`, `/healthcheck` and the error pages were open (BR-10)."""
    BaseHandler.prepare = BaseApiHandler.prepare = _prepare


def _prepare(handler: Any) -> None:
    """Tornado's hook before each answer. To ask for the user is enough: Flower then answers 401 without one."""
    own_check = isinstance(handler, Healthcheck) and handler.request.remote_ip in _LOOPBACK
    if not own_check:
        _ = handler.current_user
