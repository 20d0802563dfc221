"""Every setting of every process: type, default, reason.

Values come from the environment (`MILLRACE_` + name in capitals); secrets come from files of the same name in the
folder that `MILLRACE_SECRETS_DIR` names, so that no password stands in an environment or in a process's arguments.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from app import contract
from app.errors import SettingsError

#: Where compose and Kubernetes mount the role's secrets.
DEFAULT_SECRETS_DIR = "/run/secrets/millrace"


def secrets_dir() -> Path:
    """The folder with this process's secret files (`ca.crt`, `tls.crt`, `tls.key`, `*_user`, `*_password`)."""
    return Path(os.environ.get("MILLRACE_SECRETS_DIR", DEFAULT_SECRETS_DIR))


def _words(value: Any) -> Any:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _capitals(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _declared(queue: str) -> str:
    if queue not in contract.queue_names():
        raise ValueError(f"is not a declared queue; declared are {', '.join(contract.queue_names())}")
    return queue


class Settings(BaseSettings):
    """One frozen value, read once per process by `load()`."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_", frozen=True, extra="ignore")

    environment: str = Field("local", description="local, staging or prod; stands in every log line")
    version: str = Field("dev", description="the image's version; stands in every log line and dead letter")
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_capitals)] = Field(
        "INFO", description="of our own lines, in capitals or not; libraries log from WARNING on"
    )

    certificate_refresh_seconds: int = Field(10, ge=1, description="how often a server looks for a renewed one")

    # --- PostgreSQL
    postgresql_host: str = "postgresql"
    postgresql_port: int = contract.PORT_POSTGRESQL
    postgresql_database: str = contract.POSTGRESQL_DATABASE
    postgresql_user: str = Field("gateway", description="one of the role's two logins (contract.logins); a file, too")
    postgresql_password: SecretStr = SecretStr("")
    postgresql_pool_size: int = Field(8, ge=1, description="connections a process may hold")
    postgresql_connect_timeout_seconds: int = Field(3, ge=1, description="a dead host must not hang a request")
    postgresql_answer_seconds: float = Field(
        5.0, ge=1, lt=contract.STATEMENT_TIMEOUT_SECONDS, description="after which the gateway answers 503 without it"
    )
    postgresql_ca: str = Field("ca.crt", description="the file of secrets with the authorities of its certificate")

    # --- Broker (docs/brokers.md, docs/adr/0051). Region and credentials of SQS are AWS' own variables.
    broker: Literal["rabbitmq", "sqs", "redis"] = Field("rabbitmq", description="who carries messages to the workers")
    sqs_queue_prefix: str = Field(
        "", description="a queue's URL up to its name: https://sqs.REGION.amazonaws.com/ACCOUNT/STACK-"
    )
    sqs_endpoint_url: str = Field("", description="where an emulator of SQS answers; empty: AWS itself")
    redis_broker_host: str = Field(
        contract.REDIS_BROKER_SERVICE, description="a Redis of its own, not the one of results"
    )
    redis_broker_port: int = contract.PORT_REDIS
    redis_broker_ca: str = Field("ca.crt", description="as postgresql_ca")
    redis_broker_user: str = "worker"
    redis_broker_password: SecretStr = SecretStr("")

    # --- RabbitMQ: one URL, never a host list (research/celery.md, finding 6)
    rabbitmq_host: str = "rabbitmq"
    rabbitmq_port: int = contract.PORT_AMQPS
    rabbitmq_management_port: int = contract.PORT_RABBITMQ_MANAGEMENT
    rabbitmq_ca: str = Field("ca.crt", description="as postgresql_ca")
    rabbitmq_user: str = "worker"
    rabbitmq_password: SecretStr = SecretStr("")
    rabbitmq_heartbeat_seconds: int = Field(10, ge=2, description="a half-open connection is noticed in two of these")
    rabbitmq_socket_timeout_seconds: int = Field(10, ge=1, description="bounds each read and write; finding 1")

    # --- Redis (rate limits work without it; results and chords wait for it)
    redis_host: str = "redis"
    redis_port: int = contract.PORT_REDIS
    redis_ca: str = Field("ca.crt", description="as postgresql_ca")
    redis_user: str = "gateway"
    redis_password: SecretStr = SecretStr("")
    redis_sentinels: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = Field(
        (), description="hosts, with commas between: these know who is the primary, and redis_host is not asked"
    )
    redis_timeout_seconds: float = Field(0.05, gt=0, description="the limiter fails open, locally, within this time")
    results_redis_hours: int = Field(24, ge=1, description="how long Redis keeps a result")

    # --- S3 (docs/patterns/uploads.md)
    s3_endpoint: str = Field("", description="https://HOST; empty: this stack has no object store")
    s3_bucket: str = contract.BUCKET
    s3_region: str = "us-east-1"
    s3_user: str = Field("gateway", description="the access key; in our own server the role's login")
    s3_password: SecretStr = Field(SecretStr(""), description="the secret key")
    s3_public_ca: bool = Field(default=False, description="its certificate is of a public authority, not of ours")
    s3_timeout_seconds: float = Field(10.0, gt=0, description="bounds each read and write")
    upload_max_bytes: int = Field(64 * 1024 * 1024, ge=1024, description="one upload")
    upload_seconds: float = Field(120.0, gt=0, description="for the whole body of an upload")
    uploads_at_once: int = Field(4, ge=1, description="each may fill the spool with one upload")
    uploads_at_once_of_one_key: int = Field(2, ge=1, description="the other slots are for other API keys")
    upload_bytes_a_day_of_one_key: int = Field(
        10 * 1024**3, ge=1024, description="new content that an API key stores within 24 hours, by long items, too"
    )
    spool_dir: Path = Path("/var/spool/millrace")
    item_max_bytes: int = Field(
        4 * 1024 * 1024, ge=256, description="with an object store, items above payload_max_bytes travel by reference"
    )

    # --- Gateway
    gateway_host: str = "0.0.0.0"  # noqa: S104 - inside a container; the network policy decides who reaches it
    gateway_port: int = contract.PORT_GATEWAY
    request_max_bytes: int = Field(32 * 1024 * 1024, ge=1024, description="1,000 items of 28 KB, and some")
    payload_max_bytes: int = Field(128 * 1024, ge=256, description="an item, or its JSON text; half of a batch")
    bodies_max_bytes: int = Field(
        96 * 1024 * 1024,
        ge=4096,
        description="all bodies and messages at once; the process needs up to 2.7 times as much",
    )
    request_head_max_bytes: int = Field(32 * 1024, ge=1024, description="request line and headers")
    request_head_seconds: float = Field(20.0, gt=0, description="a connection whose request does not begin is closed")
    connections_max: int = Field(
        600, ge=1, description="one costs 40 KiB, or 230 KiB with a body on its way (measured); more are closed at once"
    )
    outbox_max_messages: int = Field(60_000, ge=1, description="60 s of broker outage at 1,000 messages a second")
    outbox_max_age_seconds: float = Field(600.0, gt=0, description="older than this the system is not keeping up")
    share_items_per_second: float = Field(50.0, gt=0, description="of an API key and queue; what is beyond leaves last")
    share_reserve_items: int = Field(1000, ge=1, description="what a key may send at once within its share")
    idempotency_keep_seconds: int = Field(24 * 3600, ge=60, description="how long a key gives the same answer")
    trust_proxy_headers: bool = False

    # --- Relay
    relay_batch_messages: int = Field(200, ge=1, description="claimed, published and confirmed together, of each queue")
    relay_batch_bytes: int = Field(
        4 * 1024 * 1024, ge=1, description="likewise; one message may be larger. Copies of it must fit a relay's memory"
    )
    relay_lease_seconds: float = Field(15.0, gt=1, description="a crashed relay's rows wait this long; > confirm time")
    relay_confirm_timeout_seconds: float = Field(8.0, gt=0, description="at most; must be shorter than the lease")
    relay_poll_min_seconds: float = Field(0.02, gt=0, description="the first sleep when there is nothing to send")
    relay_poll_max_seconds: float = Field(0.1, gt=0, description="idle sleeps grow to this")

    # --- Tasks
    task_packages: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = Field(
        (), description="Python packages with tasks, beside app.tasks; with commas between"
    )

    examples_url: str = Field("", description="base URL of the system that the example tasks of docs/patterns call")

    # --- Worker
    worker_queue: Annotated[str, AfterValidator(_declared)] = Field(
        default_factory=lambda: contract.queue_names()[0], description="the queue that a worker works on"
    )
    worker_concurrency: int = Field(2, ge=1)
    worker_prefetch_multiplier: int = Field(
        4, ge=1, description="890/s at 1, 1,213/s at 4, 1,928/s at 64; more is more redelivered per crash"
    )
    worker_max_memory_per_child_kib: int = Field(300_000, ge=50_000, description="recycled by memory, not by count")
    task_soft_time_limit_seconds: int = Field(60, ge=1)
    task_time_limit_seconds: int = Field(90, ge=2)
    dependency_wait_seconds: float = Field(
        20.0, ge=0, description="a task waits in place this long for PostgreSQL, then parks itself for as long"
    )
    dependency_patience_hours: float = Field(
        24.0, ge=0, description="an attempt that has found PostgreSQL away for so long counts as failed"
    )
    release_patience_seconds: float = Field(
        900.0,
        ge=0,
        description="how long a message waits for a worker of another release; a roll-out may take 600",
    )
    retry_base_seconds: float = Field(2.0, gt=0, description="first retry delay; doubles, with jitter")
    retry_max: int = Field(5, ge=0, description="attempts after the first; then the dead-letter queue")
    drills_enabled: bool = Field(default=False, description="registers tasks that misbehave on purpose; never in prod")

    # --- Beat
    canary_seconds: float = Field(10.0, ge=1, description="between two canaries of a queue; an older one is void")

    # --- Health of relay, worker, archiver and beat: app/telemetry/probe.py reads this file
    heartbeat_file: Path = Path("/tmp/millrace-heartbeat.json")  # noqa: S108 - a tmpfs of the container's own

    # --- Metrics of relay, worker, archiver and beat
    metrics_port: int = contract.PORT_METRICS
    metrics_enabled: bool = True

    # --- Retention, in days
    retention_outbox_days: int = Field(7, ge=1)
    retention_jobs_days: int = Field(30, ge=1)
    retention_events_days: int = Field(90, ge=1)
    retention_results_days: int = Field(30, ge=1, description="of results that are kept in PostgreSQL")
    retention_objects_days: int = Field(30, ge=1, description="after the last use; what a message names is kept")
    retention_inbox_days: int = Field(30, ge=1, description="longer than any message or dead letter can live")

    @model_validator(mode="after")
    def _broker_is_complete(self) -> Self:
        if self.broker == "sqs" and not self.sqs_queue_prefix.startswith(("https://", "http://")):
            raise ValueError(
                f"MILLRACE_SQS_QUEUE_PREFIX is {self.sqs_queue_prefix!r} and must be how the queues' URLs begin: "
                "https://sqs.REGION.amazonaws.com/ACCOUNT/STACK- for the queue that is called STACK-interactive"
            )
        return self

    @model_validator(mode="after")
    def _lease_outlasts_confirms(self) -> Self:
        if self.relay_lease_seconds <= self.relay_confirm_timeout_seconds:
            raise ValueError(
                f"MILLRACE_RELAY_LEASE_SECONDS is {self.relay_lease_seconds:g} and must be more than "
                f"MILLRACE_RELAY_CONFIRM_TIMEOUT_SECONDS, {self.relay_confirm_timeout_seconds:g}: "
                "while one relay waits for confirms, another would send the same messages"
            )
        return self

    @model_validator(mode="after")
    def _one_body_fits(self) -> Self:
        if self.bodies_max_bytes < 3 * self.request_max_bytes:
            raise ValueError(
                f"MILLRACE_BODIES_MAX_BYTES is {self.bodies_max_bytes} and must be at least three times "
                f"MILLRACE_REQUEST_MAX_BYTES, {self.request_max_bytes}: a body of that size would never be accepted"
            )
        return self

    @model_validator(mode="after")
    def _one_upload_fits(self) -> Self:
        longest = max(self.upload_max_bytes, self.item_max_bytes, 64 * 1024)
        if self.upload_bytes_a_day_of_one_key < longest:
            raise ValueError(
                f"MILLRACE_UPLOAD_BYTES_A_DAY_OF_ONE_KEY is {self.upload_bytes_a_day_of_one_key} and must be at least "
                f"{longest}: content of that size would never be accepted"
            )
        return self

    @model_validator(mode="after")
    def _objects_outlive_messages(self) -> Self:
        if self.retention_objects_days < self.retention_inbox_days:
            raise ValueError(
                f"MILLRACE_RETENTION_OBJECTS_DAYS is {self.retention_objects_days} and must be at least "
                f"MILLRACE_RETENTION_INBOX_DAYS, {self.retention_inbox_days}: a message that lives so long may name one"
            )
        return self

    @property
    def ca_file(self) -> str:
        """The CA that every certificate of ours must come from."""
        return str(secrets_dir() / "ca.crt")

    @property
    def postgresql_ca_file(self) -> str:
        """The authorities that PostgreSQL's certificate must come from: ours, or those of whoever runs it."""
        return str(secrets_dir() / self.postgresql_ca)

    @property
    def rabbitmq_ca_file(self) -> str:
        """As for PostgreSQL."""
        return str(secrets_dir() / self.rabbitmq_ca)

    @property
    def redis_ca_file(self) -> str:
        """As for PostgreSQL."""
        return str(secrets_dir() / self.redis_ca)

    @property
    def redis_broker_ca_file(self) -> str:
        """As for PostgreSQL."""
        return str(secrets_dir() / self.redis_broker_ca)

    @property
    def tls_certificate_file(self) -> str:
        """This process's own certificate."""
        return str(secrets_dir() / "tls.crt")

    @property
    def tls_key_file(self) -> str:
        """The key of this process's own certificate."""
        return str(secrets_dir() / "tls.key")

    @property
    def rabbitmq_url(self) -> str:
        """The broker URL, password included: for the library, never for a log."""
        password = quote(self.rabbitmq_password.get_secret_value(), safe="")
        return f"amqps://{self.rabbitmq_user}:{password}@{self.rabbitmq_host}:{self.rabbitmq_port}/{contract.VHOST}"

    @property
    def rabbitmq_tls(self) -> dict[str, Any]:
        """py-amqp's TLS options: the server's certificate must be for this host name."""
        checked = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": self.rabbitmq_host}
        return {"ca_certs": self.rabbitmq_ca_file, **checked}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library calls it so
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then secret files named after the field (`postgresql_password`), prefix left off."""
        folder = secrets_dir()
        files = SecretsSettingsSource(settings_cls, secrets_dir=folder, env_prefix="") if folder.is_dir() else None
        return (init_settings, env_settings, *((files,) if files else ()))


@lru_cache(maxsize=1)
def load() -> Settings:
    """Read the settings once.

    Raises:
        SettingsError: a value is missing or wrong; the message names the variable, the value and what is allowed.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error


def _explain(error: ValidationError) -> str:
    lines: list[str] = []
    for problem in error.errors():
        if not problem["loc"]:  # two settings that do not go together: the message names them
            lines.append(problem["msg"].removeprefix("Value error, "))
            continue
        name = "_".join(str(part) for part in problem["loc"]).upper()
        given: Any = "(secret)" if "PASSWORD" in name else problem["input"]
        lines.append(f"MILLRACE_{name}: {problem['msg']} (given: {given!r})")
    return "; ".join(lines)
