"""Celery's options for results: a task that asks for it has its result in Redis for a day. Redis also counts chords."""

from __future__ import annotations

import ssl
from typing import Any

from app import contract
from app.settings import Settings

#: Celery's own backends, each with the changes that `app.results` explains.
_SINGLE = "app.results.redis_backend:RedisResults"
_WATCHED = "app.results.redis_backend:SentinelResults"
#: A vanished Redis is noticed within these seconds; then the task waits as it does for PostgreSQL.
_CONNECT_SECONDS = 2
_ANSWER_SECONDS = 5


def result_options(settings: Settings) -> dict[str, Any]:
    """Every option of results. No connection is made before a result is stored, read or counted."""
    options: dict[str, Any] = {
        "task_ignore_result": True,  # storing costs half the throughput (finding 8); a chord counts its parts anyway
        "task_track_started": False,  # state is derived from our own tables
        "result_serializer": "json",
        "result_expires": settings.results_redis_hours * 3600,
        # The counters of a chord live on while its members wait for PostgreSQL.
        "result_chord_expires": int((settings.results_redis_hours + settings.dependency_patience_hours) * 3600),
        "result_chord_retry_interval": 1,
    }
    password = settings.redis_password.get_secret_value()
    if not password:  # relay, archiver, beat: their role has no user in Redis
        return options
    tls = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": settings.redis_ca_file, "ssl_check_hostname": True}
    user = {"username": settings.redis_user, "password": password}
    bounds = {"socket_connect_timeout": _CONNECT_SECONDS, "socket_timeout": _ANSWER_SECONDS}
    sentinels = ";".join(f"sentinel://{host}:{contract.PORT_SENTINEL}" for host in settings.redis_sentinels)
    return options | {
        "result_backend": f"{_WATCHED}+{sentinels}" if sentinels else _SINGLE,
        "redis_host": settings.redis_host,
        "redis_port": settings.redis_port,
        "redis_username": settings.redis_user,
        "redis_password": password,
        "redis_backend_use_ssl": tls,
        "redis_socket_connect_timeout": _CONNECT_SECONDS,
        "redis_socket_timeout": _ANSWER_SECONDS,  # Celery's is two minutes
        "redis_socket_keepalive": True,
        # Seconds; a failover or a firewall may cut an idle connection.
        "redis_backend_health_check_interval": 10,
        "result_backend_transport_options": {
            # The task itself waits (`MillraceTask.report`): 20 tries of a second each would hold its pool.
            "retry_policy": {"max_retries": 0},
            "master_name": contract.REDIS_SERVICE,
            "sentinel_kwargs": {"ssl": True, **tls, **user, **bounds},
        },
    }
