"""Flower, for looking at workers: read-only, over TLS, behind a password."""

from __future__ import annotations

import flower.options  # noqa: F401 - defines the options set below
from tornado.options import options

from app import contract
from app.brokers.celery_app import celery_app
from app.contract import Role
from app.settings import load, secrets_dir


def run() -> None:
    """Serve until the process is stopped. Options are set here and not as arguments, where everyone could read them."""
    settings = load()
    password = (secrets_dir() / "flower_password").read_text().strip()
    options.basic_auth = [f"{Role.OPERATOR}:{password}"]
    options.port = contract.PORT_FLOWER
    options.certfile = settings.tls_certificate_file
    options.keyfile = settings.tls_key_file
    options.read_only = True
    # Flower would tell every worker, again and again, to send an event for each task: -61 % throughput. Workers'
    # heartbeats arrive without; what a task did is in PostgreSQL.
    options.enable_events = False
    options.purge_offline_workers = 600
    celery_app.start(argv=["flower"])
