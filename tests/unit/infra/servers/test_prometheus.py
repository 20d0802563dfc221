"""Prometheus' settings: whom it asks."""

from __future__ import annotations

import yaml

from app.contract import Queue
from infra.local import folders
from infra.servers.prometheus import prometheus_config

QUEUES = tuple(Queue(name=name, purpose="a test") for name in ("bulk", "invoices"))


def test_the_workers_of_every_queue_are_asked() -> None:
    """By the name that is in the certificate they share."""
    jobs = {job["job_name"]: job for job in yaml.safe_load(prometheus_config(["a"], QUEUES))["scrape_configs"]}

    assert jobs["worker"]["static_configs"] == [{"targets": ["worker-bulk:9464", "worker-invoices:9464"]}]
    [folder] = [one for one in folders.ROLES if one.name == "worker"]
    assert jobs["worker"]["tls_config"]["server_name"] in folder.names
